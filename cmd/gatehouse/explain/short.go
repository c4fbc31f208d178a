package explain

import "strings"

// Short is what can-i prints with -o json.
type Short struct {
	Question string  `json:"question"`
	Verdict  Verdict `json:"verdict"`
	Why      string  `json:"why"`
	Expires  string  `json:"password_expires,omitempty"` // of whoever is asked about, where that is soon

	expiry string // the same in words
}

// Shortly returns e as can-i prints it.
func Shortly(question string, e Explanation) Short {
	a := Short{question, e.Verdict, e.Why(), e.User.Expires, e.User.expiry()}
	if len(e.WouldAllow) > 0 {
		a.Why += "; what would allow it: " + e.WouldAllow[0]
	}
	return a
}

// Text is a for people, in one line.
func (a Short) Text() string {
	return strings.Join(append([]string{a.Verdict.yesOrNo() + ": " + a.Why}, notes(a.expiry)...), "; ")
}

// yesOrNo is a verdict as the answer to a question.
func (v Verdict) yesOrNo() string {
	switch v {
	case Allow:
		return "yes"
	case Undecided:
		return "unknown"
	case Login:
		return "no, not without a login"
	}
	return "no"
}
