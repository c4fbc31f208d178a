package ldap

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// lockPolicy is when a directory locks an account.
type lockPolicy struct {
	dn        string
	threshold int           // wrong passwords; 0: it never does
	window    time.Duration // within which they are counted; 0: until a right one
}

// policyKind is how a kind of directory writes a lockPolicy.
type policyKind struct {
	threshold, window string
	unit              time.Duration // of window
	enabled           string        // attribute that must be true, if there is one
}

// policyKinds returns those of a domain of Active Directory and of its finer
// policies, of OpenLDAP, of FreeIPA, and of 389 Directory Server.
func policyKinds() []policyKind {
	const units = -100 * time.Nanosecond // Active Directory writes durations below zero
	return []policyKind{
		{"lockoutThreshold", "lockOutObservationWindow", units, ""},
		{"msDS-LockoutThreshold", "msDS-LockoutObservationWindow", units, ""},
		{"pwdMaxFailure", "pwdFailureCountInterval", time.Second, "pwdLockout"},
		{"krbPwdMaxFailure", "krbPwdFailureCountInterval", time.Second, ""},
		{"passwordMaxFailure", "passwordResetFailureCount", time.Second, "passwordLockout"},
	}
}

// policyOf returns the policy that an entry has, if it has one.
func policyOf(e *ldap.Entry) (lockPolicy, bool) {
	for _, k := range policyKinds() {
		threshold, err := strconv.Atoi(first(e, k.threshold))
		if err != nil {
			continue
		}
		if k.enabled != "" && !slices.Contains([]string{"true", "on"}, strings.ToLower(first(e, k.enabled))) {
			threshold = 0
		}
		window, _ := strconv.ParseInt(first(e, k.window), 10, 64)
		if window == math.MinInt64 { // how Active Directory writes "for ever"
			window = 0
		}
		return lockPolicy{e.DN, threshold, max(0, time.Duration(window)*k.unit)}, true
	}
	return lockPolicy{}, false
}

func policyAttributes() []string {
	var names []string
	for _, k := range policyKinds() {
		names = append(names, k.threshold, k.window)
		if k.enabled != "" {
			names = append(names, k.enabled)
		}
	}
	return names
}

const policyFilter = "(|(objectClass=domainDNS)(objectClass=msDS-PasswordSettings)(objectClass=pwdPolicy)(objectClass=krbPwdPolicy))"

// policies returns what the account may read of when accounts are locked: the
// policy that an entry of a user names, and else all of them.
func (e *examination) policies(ctx context.Context, user *ldap.Entry) (found []lockPolicy) {
	add := func(q query) {
		entries, err := e.asService(ctx, q)
		if err != nil {
			return // nobody but administrators may read some of them
		}
		for _, entry := range entries {
			if p, ok := policyOf(entry); ok && !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
	}
	if user != nil {
		for _, name := range slices.Concat(values(user, "msDS-ResultantPSO"), values(user, "pwdPolicySubentry"), values(user, "krbPwdPolicyReference")) {
			add(query{base: name, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: policyAttributes()})
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, top := range append(e.tops(), "cn=config") {
		q := query{base: top, scope: ldap.ScopeWholeSubtree, filter: policyFilter, attributes: policyAttributes()}
		if top == "cn=config" { // of 389 Directory Server
			q.scope, q.filter = ldap.ScopeBaseObject, "(objectClass=*)"
		}
		add(q)
	}
	return found
}

// tops returns the tops of the trees of the directory, or where it does not name
// them those that the users are in.
func (e *examination) tops() []string {
	if len(e.contexts) > 0 {
		return slices.Clone(e.contexts)
	}
	var tops []string
	for _, text := range e.config.UserBases {
		base, _ := parseDN(text)
		i := slices.IndexFunc(base, func(part string) bool { return strings.HasPrefix(part, "dc=") })
		if top := base[max(i, 0):].String(); !slices.Contains(tops, top) {
			tops = append(tops, top)
		}
	}
	return tops
}

// strictest returns the policy that locks an account soonest, out of those that
// lock any.
func strictest(all []lockPolicy) (p lockPolicy, locks bool) {
	for _, each := range all {
		if each.threshold > 0 && (!locks || each.threshold < p.threshold) {
			p, locks = each, true
		}
	}
	return p, locks
}

// lockOut compares when accounts are locked with how many wrong passwords are let
// through. It reports whether a password of the user may be tried.
func (e *examination) lockOut(ctx context.Context, id backend.Identity) (safe bool) {
	safe = true
	q := query{base: e.tops()[0], scope: ldap.ScopeWholeSubtree, filter: policyFilter, attributes: policyAttributes()}
	e.step("lock-out", cmp.Or(id.User, q.base), e.ldapsearch(q), func(f *backend.Finding) error {
		user := e.counters(ctx, id)
		all := e.policies(ctx, user)
		for _, p := range all {
			f.Details = append(f.Details, p.String())
		}
		p, locks := strictest(all)
		switch {
		case len(all) == 0:
			f.Text = "the account may read no policy that says when accounts are locked"
			f.Advice = fmt.Sprintf("ask after how many wrong passwords the directory locks an account: %s", e.budget("must be fewer"))
		case !locks:
			f.Text = "the directory locks no account after wrong passwords"
		}
		if !locks {
			return nil
		}
		f.Text = "accounts are locked after " + p.terms()
		if user != nil {
			n := failures(user, p, time.Now())
			safe = n+1 < p.threshold || p.threshold == 1
			f.Text += fmt.Sprintf("; %d are counted against this one", n)
		}
		return e.compare(f, p)
	})
	return safe
}

// terms returns the policy in words.
func (p lockPolicy) terms() string {
	if p.window == 0 {
		return fmt.Sprintf("%d wrong passwords without a right one", p.threshold)
	}
	return fmt.Sprintf("%d wrong passwords within %v", p.threshold, p.window)
}

// String returns the policy with the entry that has it.
func (p lockPolicy) String() string {
	if p.threshold == 0 {
		return p.dn + ": never"
	}
	return p.dn + ": " + p.terms()
}

// budget says how many wrong passwords are let through.
func (e *examination) budget(comparison string) string {
	return fmt.Sprintf("max_failures = %d within failure_window = %q %s", e.what.MaxFailures, e.what.FailureWindow, comparison)
}

// errBudget is the finding that guesses which are let through can lock accounts.
var errBudget = fault.Kind("ldap.lockout.budget", "wrong passwords that are let through can lock an account")

// compare says whether what is let through stays below what locks an account.
func (e *examination) compare(f *backend.Finding, p lockPolicy) error {
	switch {
	case e.what.MaxFailures == 0:
		return nil
	case e.what.MaxFailures >= p.threshold && p.threshold == 1:
		f.Advice = "raise the threshold in the directory: one wrong password locks an account, whoever types it"
		return errBudget
	case e.what.MaxFailures >= p.threshold:
		f.Advice = fmt.Sprintf("set max_failures = %d, or raise the threshold in the directory; %s", p.threshold-1, e.budget("is not below it"))
		return errBudget
	case p.window == 0:
		f.Advice = fmt.Sprintf("have the directory forget wrong passwords after a time, such as %d seconds: it counts them until a right one comes, and max_failures is for each failure_window", int(e.what.FailureWindow.Seconds()))
	case e.what.FailureWindow < p.window:
		f.Advice = fmt.Sprintf("set failure_window = %q; %s", p.window, e.budget("is shorter than the directory's"))
		return errBudget
	}
	return nil
}

// counters returns the entry of a user with what the directory counts, or nil.
func (e *examination) counters(ctx context.Context, id backend.Identity) *ldap.Entry {
	if id.Handle == "" {
		return nil
	}
	entries, err := e.asService(ctx, query{base: id.Handle, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{
		"badPwdCount", "badPasswordTime", "lockoutTime", "msDS-ResultantPSO", // Active Directory
		"pwdFailureTime", "pwdPolicySubentry", // OpenLDAP
		"passwordRetryCount", "retryCountResetTime", // 389 Directory Server
		"krbLoginFailedCount", "krbLastFailedAuth", "krbPwdPolicyReference", // FreeIPA
	}})
	if err != nil || len(entries) != 1 {
		return nil
	}
	return entries[0]
}

// failures returns how many wrong passwords the directory counts against a user.
// Those before the window are in the entry still, and count no more.
func failures(e *ldap.Entry, p lockPolicy, now time.Time) int {
	counts := func(at time.Time) bool { return p.window == 0 || now.Sub(at) < p.window }
	number := func(attribute string) int {
		n, _ := strconv.Atoi(first(e, attribute))
		return n
	}
	total := 0
	for _, text := range values(e, "pwdFailureTime") {
		if at, err := parseTime(text); err != nil || counts(at) {
			total++
		}
	}
	if at, _ := parseFileTime(first(e, "badPasswordTime")); at.IsZero() || counts(at) {
		total = max(total, number("badPwdCount"))
	}
	if reset, err := parseTime(first(e, "retryCountResetTime")); err != nil || now.Before(reset) {
		total = max(total, number("passwordRetryCount"))
	}
	if last, err := parseTime(first(e, "krbLastFailedAuth")); err != nil || counts(last) {
		total = max(total, number("krbLoginFailedCount"))
	}
	return total
}
