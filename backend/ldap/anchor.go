package ldap

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// The attributes that name an entry for good: a server gives each value once, and an
// entry keeps it when it is moved or renamed.
const (
	anchorAD       = "objectGUID"  // [MS-ADTS], section 3.1.1.1.4
	anchorOpenLDAP = "entryUUID"   // RFC 4530
	anchor389      = "nsUniqueId"  // 389 Directory Server
	anchorFreeIPA  = "ipaUniqueID" // FreeIPA

	// anchorDN stands for the name of the entry, where none of them can be read. An
	// account that is made anew under an old name is not told from the old one then.
	anchorDN = "dn"
)

// anchors returns the attributes in the order in which they are believed. Where a
// server makes one of them, users may be allowed to write the others.
func (c *Config) anchors() []string {
	switch c.Preset {
	case "activedirectory":
		return []string{anchorAD}
	case "openldap":
		return []string{anchorOpenLDAP}
	case "389ds":
		return []string{anchor389, anchorOpenLDAP}
	case "freeipa":
		return []string{anchorFreeIPA, anchor389, anchorOpenLDAP}
	}
	return []string{anchorOpenLDAP, anchor389, anchorAD, anchorFreeIPA}
}

// anchorOf returns the anchor of an entry: of the wanted kind if there is one, or else
// of the first kind that can be read.
func (b *Backend) anchorOf(e *ldap.Entry, wanted string) string {
	if wanted == anchorDN {
		return anchorDN + ":" + canonicalDN(e.DN)
	}
	kinds := b.config.anchors()
	if i := slices.Index(kinds, wanted); i > 0 {
		kinds = append([]string{wanted}, kinds...)
	}
	for _, kind := range kinds {
		all := values(e, kind)
		switch {
		case len(all) != 1 || all[0] == "":
		case kind == anchorAD && len(all[0]) == 16:
			b.metAD.Store(true)
			return kind + ":" + hex.EncodeToString([]byte(all[0]))
		case kind != anchorAD && isPlain(all[0]):
			return kind + ":" + fold(all[0])
		}
	}
	return anchorDN + ":" + canonicalDN(e.DN)
}

// isAD reports whether the directory is an Active Directory: the preset says so, or an
// entry was seen that has its anchor.
func (b *Backend) isAD() bool { return b.config.Preset == "activedirectory" || b.metAD.Load() }

// anchorFilter returns the filter for the entry with an anchor, and false for a name.
func anchorFilter(anchor string) (filter string, ok bool) {
	kind, value, _ := strings.Cut(anchor, ":")
	switch kind {
	case "", anchorDN:
		return "", false
	case anchorAD:
		raw, err := hex.DecodeString(value)
		return equals(kind, string(raw)), err == nil
	}
	return equals(kind, value), true
}

// identityAs returns who an entry is, to be compared with id: with an anchor of the
// same kind if the entry shows one, and the time of a change by the same attribute.
func (b *Backend) identityAs(e *ldap.Entry, id backend.Identity) (backend.Identity, error) {
	now, err := b.identity(e)
	kind, _, _ := strings.Cut(id.Anchor, ":")
	attribute, _, _ := strings.Cut(id.Changed, ":")
	now.Anchor, now.Changed, now.Source = b.anchorOf(e, kind), changedOf(e, attribute), id.Source
	now.OnGrace, now.Expires = id.OnGrace, b.expiresOf(e, id.Expires, time.Now())
	return now, err
}

// errNoAnchor is the absence of an answer: a directory that does not show any more
// what it calls an entry has not replaced it.
var errNoAnchor = fault.With("ldap.user.no_anchor", fmt.Errorf("the entry does not show the attribute by which the user was told from others; the service account may not read it any more: %w", backend.ErrUnavailable))

// checkSame returns nil if e is the entry of the user that id is of. The error is
// [backend.ErrUnknownUser] if it is somebody else's, and [backend.ErrUnavailable] if e
// does not show what would tell the two apart. An identity without an anchor has
// nothing but its name to be compared by, which the caller has looked for.
func (b *Backend) checkSame(e *ldap.Entry, id backend.Identity) error {
	now, _ := b.identityAs(e, id) // its name is for others to judge
	switch same := now.SameAs(id); {
	case same == backend.Same, same == backend.Unrelated && id.Anchor == "":
		return nil
	case same == backend.Unrelated:
		return fmt.Errorf("entry %q: %w", e.DN, errNoAnchor)
	}
	return fmt.Errorf("entry %q: %w", e.DN, backend.ErrReplaced)
}

// entryOf returns the entry of a user who logged in before, with the attributes that
// are wanted besides those of [Backend.userAttributes]: at the place where it was, or
// wherever it has been moved to. It fails with [backend.ErrUnknownUser] if there is
// none.
func (b *Backend) entryOf(ctx context.Context, id backend.Identity, wanted ...string) (*ldap.Entry, error) {
	if b.config.followsAliases() && !b.isPlaceOfUsers(id.Handle) {
		return b.entryBehindAlias(ctx, id, wanted)
	}
	e, err := b.readAgain(ctx, id.Handle, wanted)
	if err == nil {
		if err = b.checkSame(e, id); err == nil {
			return e, nil
		}
	}
	if !errors.Is(err, backend.ErrUnknownUser) || errors.Is(err, backend.ErrUnavailable) {
		return nil, err
	}
	moved, searchErr := b.findMoved(ctx, id)
	switch {
	case searchErr != nil:
		return nil, searchErr
	case moved == nil && b.isTaken(ctx, id):
		return nil, fmt.Errorf("%w: %w", backend.ErrReplaced, err)
	case moved == nil:
		return nil, err
	}
	return b.readAgain(ctx, moved.DN, wanted)
}

// isTaken reports whether another account has the name of id, which is there no more,
// wherever its entry is. What is not found out is not reported: id is gone in any case.
func (b *Backend) isTaken(ctx context.Context, id backend.Identity) bool {
	if _, anchored := anchorFilter(id.Anchor); !anchored {
		return false
	}
	l, err := b.parse(ctx, id.User)
	if err != nil {
		return false
	}
	other, err := b.resolve(ctx, l)
	other.Source = id.Source
	return err == nil && other.User == id.User && other.SameAs(id) == backend.Different
}

// entryBehindAlias is entryOf for a user whose entry is where no users are searched
// for: whoever takes away the alias below user_bases takes away the login.
func (b *Backend) entryBehindAlias(ctx context.Context, id backend.Identity, wanted []string) (*ldap.Entry, error) {
	filter := equals("entryDN", id.Handle) // RFC 5020
	if anchored, ok := anchorFilter(id.Anchor); ok {
		filter = "(|" + anchored + filter + ")"
	}
	found, err := b.findAll(ctx, b.asService, "(&"+b.filter.anyone+filter+")", nil, b.entryAttributes(wanted))
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("no alias below user_bases leads to entry %q any more: %w", id.Handle, backend.ErrUnknownUser)
	for _, e := range found {
		switch unlike := b.checkSame(e, id); {
		case unlike == nil:
			return e, nil
		case !errors.Is(unlike, backend.ErrUnknownUser):
			err = unlike
		}
	}
	return nil, err
}

// findMoved returns the entry with the anchor of id, nil if there is none.
func (b *Backend) findMoved(ctx context.Context, id backend.Identity) (*ldap.Entry, error) {
	filter, ok := anchorFilter(id.Anchor)
	if !ok {
		return nil, nil
	}
	found, err := b.findAll(ctx, b.asService, "(&"+b.filter.anyone+filter+")", nil, b.atLogin)
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		if now, err := b.identityAs(e, id); err == nil && now.SameAs(id) == backend.Same {
			return e, nil
		}
	}
	return nil, nil
}

// changeTimes are the attributes that say when the password of an entry was last
// changed, in the order in which they are believed, and how each is read.
var changeTimes = []struct {
	attribute string
	read      func(string) (string, bool)
}{
	{"pwdLastSet", readFileTime},          // Active Directory
	{"pwdChangedTime", readGeneralized},   // OpenLDAP
	{"pwdUpdateTime", readGeneralized},    // 389 Directory Server, where passwordTrackUpdateTime is on
	{"krbLastPwdChange", readGeneralized}, // FreeIPA
	{endOf389, readGeneralized},           // 389 Directory Server, where passwords expire: it moves with each change
	{"shadowLastChange", readShadowDay},   // RFC 2307
}

// changedOf returns when the password of an entry was last changed, as
// [backend.Identity.Changed] has it, empty if that cannot be read. Where an attribute
// is wanted, it is the only one that is looked at.
func changedOf(e *ldap.Entry, wanted string) string {
	for _, t := range changeTimes {
		text := first(e, t.attribute)
		if text == "" || wanted != "" && wanted != t.attribute {
			continue
		}
		if moment, ok := t.read(text); ok {
			return t.attribute + ":" + moment
		}
	}
	return ""
}

// sortable is RFC 3339 with all digits, so that times sort as text.
const sortable = "2006-01-02T15:04:05.000000000Z"

func readGeneralized(text string) (string, bool) {
	t, err := parseTime(text)
	return t.UTC().Format(sortable), err == nil
}

// readFileTime reads a time of Active Directory. 0 says that the password must be
// changed, and not when it was.
func readFileTime(text string) (string, bool) {
	at, err := parseFileTime(text)
	return at.Format(sortable), err == nil && !at.IsZero()
}

// readShadowDay reads a number of days since 1970.
func readShadowDay(text string) (string, bool) {
	days, err := strconv.Atoi(text)
	if err != nil || days <= 0 || days > 1<<20 {
		return "", false
	}
	return time.Unix(int64(days)*24*60*60, 0).UTC().Format(time.DateOnly), true
}

// userAttributes returns what is read of the entry of a user to say who that is.
func (b *Backend) userAttributes() []string {
	names := append(b.config.anchors(), b.config.UserNameAttr)
	for _, t := range changeTimes {
		names = append(names, t.attribute)
	}
	if b.config.WarnPasswordExpiry > 0 {
		names = append(names, expiryAttributes()...)
	}
	return names
}
