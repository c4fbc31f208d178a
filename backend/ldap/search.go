package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// query is a search.
type query struct {
	base       string
	scope      int
	filter     string
	attributes []string
	limit      int  // entries that are asked for; 0: no limit
	paged      bool // whether there may be more than a server returns at once
	sample     bool // whether a part will do, up to the limit
}

// searcher runs a query, as the service account or as a user.
type searcher func(context.Context, query) ([]*ldap.Entry, error)

// No user is in so many groups, and no group name is shared by so many.
const (
	pageSize   = 500
	maxEntries = 20_000

	// maxPages leaves room for pages that are not full: a server may end each early.
	maxPages = 1000
)

// asService runs a query as the service account.
func (b *Backend) asService(ctx context.Context, q query) (entries []*ldap.Entry, err error) {
	err = b.directory.ask(b.directory.at(ctx, q.base), func(c *conn) error {
		entries, err = c.search(ctx, &b.config, q)
		return err
	})
	if errors.Is(err, errHungUp) {
		b.config.Log.Error("a server of the directory hangs up on a search, again on a second connection; it failed, and the server stays in use",
			slog.String("base", q.base), slog.Int("filter_bytes", len(q.filter)), slog.Int("entries_limit", q.limit),
			slog.Any("error", err), slog.String(fault.Attr, string(fault.Of(err))))
	}
	if err != nil {
		return nil, searchError(err, q.base)
	}
	return entries, b.finish(ctx, b.asService, b.bases, q, entries)
}

// finish makes an answer one to the question that was asked. bases are those that whoever
// searches is known to see.
func (b *Backend) finish(ctx context.Context, search searcher, bases memo[struct{}], q query, found []*ldap.Entry) error {
	if err := b.nameAsAsked(ctx, found, q.attributes); err != nil {
		return err
	}
	return confirmBase(ctx, search, bases, q, found)
}

// confirmBase makes sure that there is a base where a search in pages found nothing: of
// one that is not there 389 Directory Server says so only where no pages are asked for.
func confirmBase(ctx context.Context, search searcher, bases memo[struct{}], q query, found []*ldap.Entry) error {
	if len(found) > 0 || !q.paged {
		return nil
	}
	if _, known := bases.get(q.base); known {
		return nil
	}
	asked := time.Now()
	_, err := search(ctx, query{base: q.base, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}})
	if err == nil {
		bases.put(q.base, struct{}{}, asked)
	}
	return err
}

// search returns all that a query finds, or fails.
func (c *conn) search(ctx context.Context, cfg *Config, q query) ([]*ldap.Entry, error) {
	var all []*ldap.Entry
	paging := ldap.NewControlPaging(pageSize)
	for range maxPages {
		request := &ldap.SearchRequest{
			BaseDN: q.base, Scope: q.scope, Filter: q.filter, Attributes: q.attributes, SizeLimit: q.limit,
		}
		if q.paged {
			request.Controls = []ldap.Control{paging}
		}
		result, err := c.ask(ctx, cfg, request)
		if code, answered := codeOf(err); q.sample && answered && code == ldap.LDAPResultSizeLimitExceeded && result != nil {
			return result.Entries, nil
		}
		if err != nil {
			return nil, err
		}
		// References to other servers are not followed: whoever they name
		// would be sent the password of the service account.
		all = append(all, result.Entries...)
		if len(all) > maxEntries {
			return nil, fault.With("ldap.search.incomplete", fmt.Errorf("more than %d entries were found", maxEntries))
		}
		next, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !q.paged || !ok || len(next.Cookie) == 0 {
			return all, c.completeRanges(ctx, cfg, all)
		}
		if string(next.Cookie) == string(paging.Cookie) && len(result.Entries) == 0 {
			return nil, lost(fault.With("ldap.protocol", errors.New("the server returns the same page again")))
		}
		paging.SetCookie(next.Cookie)
	}
	return nil, lost(fault.With("ldap.protocol", fmt.Errorf("the server goes on after %d pages", maxPages)))
}

// ask asks one question.
func (c *conn) ask(ctx context.Context, cfg *Config, request *ldap.SearchRequest) (result *ldap.SearchResult, err error) {
	start := time.Now()
	if cfg.followsAliases() {
		request.DerefAliases = ldap.DerefAlways
	}
	if c.look != nil {
		c.patience.begin(cfg.patience())
		defer c.patience.end()
	}
	err = c.do(ctx, cfg.OperationTimeout, func(l *ldap.Conn) (err error) {
		result, err = l.Search(request)
		return err
	})
	c.meter.count(opSearch, start, err)
	return result, err
}

// completeRanges replaces attributes of which the server sent a part by the
// whole of their values. Active Directory sends 1,500 at a time;
// [MS-ADTS], section 3.1.1.3.1.3.3.
func (c *conn) completeRanges(ctx context.Context, cfg *Config, entries []*ldap.Entry) error {
	for _, e := range entries {
		for _, a := range e.Attributes {
			name, next, isRange := parseRange(a.Name)
			if !isRange {
				continue
			}
			a.Name = name
			for next > 0 {
				part, err := c.readRange(ctx, cfg, e.DN, fmt.Sprintf("%s;range=%d-*", name, next))
				if err != nil {
					return err
				}
				a.Values = append(a.Values, part.Values...)
				a.ByteValues = append(a.ByteValues, part.ByteValues...)
				_, after, ok := parseRange(part.Name)
				if !ok || after != 0 && after <= next || len(a.Values) > 100*maxEntries {
					return lost(fault.With("ldap.protocol", fmt.Errorf("the server sends ranges of %s that make no sense", name)))
				}
				next = after
			}
		}
	}
	return nil
}

// readRange reads the part of an attribute that is called by its range.
func (c *conn) readRange(ctx context.Context, cfg *Config, base, attribute string) (*ldap.EntryAttribute, error) {
	result, err := c.ask(ctx, cfg, &ldap.SearchRequest{
		BaseDN: base, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{attribute},
	})
	if err != nil {
		return nil, err
	}
	if len(result.Entries) == 1 {
		i := slices.IndexFunc(result.Entries[0].Attributes, func(a *ldap.EntryAttribute) bool {
			_, _, ok := parseRange(a.Name)
			return ok
		})
		if i >= 0 {
			return result.Entries[0].Attributes[i], nil
		}
	}
	return nil, lost(fault.With("ldap.protocol", fmt.Errorf("the server does not send %s of an entry", attribute)))
}

// parseRange takes an attribute like member;range=0-1499 apart. next is where
// the values go on that are missing, or 0 if none are.
func parseRange(attribute string) (name string, next int, ok bool) {
	name, option, ok := strings.Cut(attribute, ";")
	if !ok || len(option) < len("range=") || !strings.EqualFold(option[:len("range=")], "range=") {
		return attribute, 0, false
	}
	_, last, _ := strings.Cut(option[len("range="):], "-")
	if last == "*" {
		return name, 0, true
	}
	n, err := strconv.Atoi(last)
	if err != nil || n < 0 || n > 1<<30 {
		return attribute, 0, false
	}
	return name, n + 1, true
}

// values returns the values of an attribute, however the server spells its name.
// Active Directory sends an empty one beside the first range of values.
func values(e *ldap.Entry, attribute string) []string {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, attribute) && len(a.Values) > 0 {
			return a.Values
		}
	}
	return nil
}

// oneOf makes filters that match any of the given alternatives, each of bounded
// length, with a number of them at most.
func oneOf(alternatives []string, most int) []string {
	var filters []string
	for len(alternatives) > 0 {
		n, size := 1, len(alternatives[0])
		for n < min(len(alternatives), most) && size+len(alternatives[n]) <= filterMax {
			size += len(alternatives[n])
			n++
		}
		filters = append(filters, anyOf(alternatives[:n]))
		alternatives = alternatives[n:]
	}
	return filters
}

// anyOf makes the filter that matches any of the given alternatives.
func anyOf(alternatives []string) string {
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return "(|" + strings.Join(alternatives, "") + ")"
}

// filterMax bounds the bytes of a filter of several alternatives. OpenLDAP hangs up
// on a request of more than 256 KiB by somebody who is not bound; what is sent has up
// to twice the length of the text.
const filterMax = 64 << 10

// These bound how many alternatives a filter has: alternativesMax in general, and
// namesMax where each is the name of one entry and there are too many to be asked for at
// once. A server compares each entry that it
// finds with one alternative after the other, so that the work grows with the square of
// their number; with fewer than these the round trips cost more. 389 Directory Server
// takes 0.14 ms for each of 32, and 0.7 ms for each of 211.
const (
	alternativesMax = 64
	namesMax        = 32
)

// oneOfNames is oneOf for alternatives that are names of one entry each.
func oneOfNames(alternatives []string) []string {
	if len(alternatives) <= alternativesMax*searchesAtOnce {
		return oneOf(alternatives, alternativesMax)
	}
	return oneOf(alternatives, namesMax)
}

// equals is the filter for an attribute that has a value.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}
