package main

import "strings"

// canIAnswer is what can-i prints with -o json.
type canIAnswer struct {
	Question string  `json:"question"`
	Verdict  verdict `json:"verdict"`
	Why      string  `json:"why"`
	Expires  string  `json:"password_expires,omitempty"` // of whoever is asked about, where that is soon

	expiry string // the same in words
}

// shortly returns e as can-i prints it.
func shortly(question string, e explanation) canIAnswer {
	a := canIAnswer{question, e.Verdict, e.why(), e.User.Expires, e.User.expiry()}
	if len(e.WouldAllow) > 0 {
		a.Why += "; what would allow it: " + e.WouldAllow[0]
	}
	return a
}

// text is a for people, in one line.
func (a canIAnswer) text() string {
	return strings.Join(append([]string{a.Verdict.yesOrNo() + ": " + a.Why}, notes(a.expiry)...), "; ")
}

// yesOrNo is a verdict as the answer to a question.
func (v verdict) yesOrNo() string {
	switch v {
	case verdictAllow:
		return "yes"
	case verdictUndecided:
		return "unknown"
	case verdictLogin:
		return "no, not without a login"
	}
	return "no"
}
