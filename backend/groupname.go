package backend

import "strings"

// ReadsAsDN reports whether the name of a group begins as a distinguished name does,
// with the name of an attribute and "=" (RFC 4514, section 3). "team red=1" does not.
// No backend that has distinguished names has another name that does.
func ReadsAsDN(name string) bool {
	attribute, _, ok := strings.Cut(name, "=")
	attribute = strings.Trim(attribute, " ")
	return ok && attribute != "" && !strings.ContainsFunc(attribute, isNoAttribute)
}

func isNoAttribute(r rune) bool {
	return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
