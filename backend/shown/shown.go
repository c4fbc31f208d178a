// Package shown makes text fit to be shown that somebody else has chosen: in logs, in
// JSON, in messages and on terminals. Secrets are left out of it (see [URL] and
// [WithoutUserinfo]), and what nobody would see, or what steers a terminal, is written
// as an escape (see [Text], [AppendJSON] and [Writer]).
package shown

import (
	"net/url"
	"regexp"
	"strings"
)

// Redacted stands in place of a secret.
const Redacted = "[redacted]"

// plainURL matches URLs that can hold no secret: a scheme, a host, a port in digits
// and a path. A password with a slash, a colon or the like in it moves the borders
// between the parts of a URL, so that no user part is found where one was written;
// such a text does not match.
var plainURL = regexp.MustCompile(`^(?:[a-z][a-z0-9]*://(?:[A-Za-z0-9._%-]+|\[[0-9A-Fa-f:.]+\])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/=,%-]*)?|(?:unix:|srv:)[A-Za-z0-9._~/=,%-]+)$`)

// URL returns text, the value of a key that wants the URL of a server, as it may be
// shown: as it is if it can hold no secret, and else as [Redacted]. Text that is no
// URL at all is not shown either: it may be the password of that server.
func URL(text string) string {
	if decoded, err := url.PathUnescape(text); err != nil || strings.Contains(decoded, "@") || !plainURL.MatchString(text) {
		return Redacted
	}
	return text
}

// userinfo matches the user part of a URL in a text: to the last @ before the quote at
// the end where the URL stands in quotes, and else before the next blank. A URL that was
// taken for the path of a file has lost one of its slashes. In quotes the scheme may be
// mistyped, or missing.
var userinfo = regexp.MustCompile(`(["'](?:[a-zA-Z][a-zA-Z0-9+.-]*[:;]?)?//|["'][a-zA-Z][a-zA-Z0-9+.-]*:/)(?:[^"'\\]|\\.)*@|([a-zA-Z][a-zA-Z0-9+.-]*[:;]/+|(?:^|\s)//)[^\s"']*@`)

// WithoutUserinfo returns a message without the user parts of the URLs in it.
func WithoutUserinfo(message string) string {
	if !strings.Contains(message, "@") || !strings.Contains(message, "//") && !strings.Contains(message, ":/") && !strings.Contains(message, ";/") {
		return message
	}
	return userinfo.ReplaceAllString(message, "${1}${2}"+Redacted+"@")
}

// HasLogin reports whether a value looks like a URL with a user part, or like what is left
// of one where its scheme is mistyped or missing: a colon or two slashes stand somewhere
// before an @. A path that begins with a slash does not.
func HasLogin(value string) bool {
	i := strings.LastIndexByte(value, '@')
	isPath := strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//")
	return i >= 0 && !isPath && (strings.Contains(value[:i], ":") || strings.Contains(value[:i], "//"))
}

// HasUserinfo reports whether a value is a URL with a user part, as far as [WithoutUserinfo]
// would know it in quotes.
func HasUserinfo(value string) bool {
	quoted := `"` + value + `"`
	return WithoutUserinfo(quoted) != quoted
}
