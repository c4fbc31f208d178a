package ldaptest

import (
	"encoding/binary"
	"maps"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// virtual returns e with the attributes that Active Directory computes. Its
// tokenGroups exists in a search of one object alone.
func (s *Server) virtual(e *Entry, scope int) *Entry {
	if !s.config.ActiveDirectory {
		return e
	}
	full := *e
	full.Attributes = maps.Clone(e.Attributes)
	if full.Attributes == nil {
		full.Attributes = map[string][]string{}
	}
	full.Operational = append([]string{"tokenGroups", "tokenGroupsGlobalAndUniversal"}, e.Operational...)
	var groups []string
	for _, g := range s.tree.groupsOf(e.DN, false) {
		groups = append(groups, g.DN)
	}
	full.Attributes["memberOf"] = groups
	full.Attributes["distinguishedName"] = []string{e.DN}
	full.folded = maps.Clone(e.folded)
	full.indexAttribute("memberOf")
	if s.config.Catalog {
		delete(full.Attributes, "pwdLastSet") // which is not among what catalogs have
	}
	switch {
	case scope != scopeBase:
	case s.config.Catalog:
		full.Attributes["tokenGroupsGlobalAndUniversal"] = s.tree.tokenGroups(e, "2", domainLocal)
	default:
		full.Attributes["tokenGroups"] = s.tree.tokenGroups(e, "2")
	}
	return &full
}

// domainLocal is the groupType of a security group that counts in its own domain alone;
// [MS-ADTS], section 2.2.12.
const domainLocal = "-2147483644"

// nearest returns the name of the lowest entry at or above dn that exists.
func (t tree) nearest(dn string) string {
	for name := foldDN(dn); name != ""; {
		if e, ok := t[name]; ok {
			return e.DN
		}
		_, name, _ = strings.Cut(name, ",")
	}
	return ""
}

func (s *Server) rootDSE() *ber.Packet {
	e := &Entry{Attributes: map[string][]string{
		"objectClass":          {"top"},
		"supportedLDAPVersion": {"3"},
		"supportedControl":     {oidPaging, oidPasswordPolicy},
		"supportedExtension":   {oidStartTLS, oidWhoAmI},
	}}
	if s.config.ActiveDirectory {
		e.Attributes["supportedCapabilities"] = []string{"1.2.840.113556.1.4.800"}
	}
	if s.config.Domain != "" {
		e.Attributes["defaultNamingContext"] = []string{s.config.Domain}
	}
	if s.config.Configuration != "" {
		e.Attributes["configurationNamingContext"] = []string{s.config.Configuration}
	}
	return s.encodeEntry(e, nil)
}

// SID returns the bytes of a security identifier of the domain, with the given
// relative identifier; [MS-DTYP], section 2.4.2.2.
func SID(relative uint32) string {
	b := []byte{1, 5, 0, 0, 0, 0, 0, 5}
	for _, part := range []uint32{21, 1004336348, 1177238915, 682003330, relative} {
		b = binary.LittleEndian.AppendUint32(b, part)
	}
	return string(b)
}
