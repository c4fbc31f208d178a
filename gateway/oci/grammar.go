package oci

// IsRepository reports whether s is the name of a repository: components with
// slashes between them, each of lower-case letters and digits in which single
// separators may stand. A separator is ".", "_", "__" or any number of "-".
func IsRepository(s string) bool {
	for i := 0; ; {
		if i = skipAlphanumeric(s, i); i < 0 {
			return false
		}
		if i == len(s) {
			return true
		}
		i = skipSeparator(s, i)
	}
}

// skipAlphanumeric returns where the letters and digits at s[i] end, and -1 where
// there are none.
func skipAlphanumeric(s string, i int) int {
	start := i
	for i < len(s) && isLowerAlphanumeric(s[i]) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// skipSeparator returns where the separator at s[i] ends: i where there is none, so that
// the caller finds no letter there and gives up.
func skipSeparator(s string, i int) int {
	switch s[i] {
	case '/', '.':
		return i + 1
	case '_':
		if i++; i < len(s) && s[i] == '_' {
			i++
		}
	case '-':
		for i < len(s) && s[i] == '-' {
			i++
		}
	}
	return i
}

func isLowerAlphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// IsDigest reports whether s is a digest: the name of an algorithm, a colon, and
// what it has made of the content.
func IsDigest(s string) bool {
	i := skipAlphanumeric(s, 0)
	for i > 0 && i < len(s) && (s[i] == '+' || s[i] == '.' || s[i] == '_' || s[i] == '-') {
		i = skipAlphanumeric(s, i+1)
	}
	if i < 0 || i >= len(s)-1 || s[i] != ':' {
		return false
	}
	for i++; i < len(s); i++ {
		if c := s[i]; !isLowerAlphanumeric(c) && (c < 'A' || 'Z' < c) && c != '=' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// IsTag reports whether s can be a tag.
func IsTag(s string) bool {
	if len(s) == 0 || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLowerAlphanumeric(c) && (c < 'A' || 'Z' < c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
