package ldaptest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// query is a search request.
type query struct {
	base       string
	scope      int
	limit      int
	filter     *ber.Packet
	attributes []string
}

func parseQuery(m message) (query, bool) {
	if len(m.op.Children) != 8 {
		return query{}, false
	}
	part := m.op.Children
	scope, ok1 := part[1].Value.(int64)
	limit, ok2 := part[3].Value.(int64)
	q := query{base: part[0].Data.String(), scope: int(scope), limit: int(limit), filter: part[6]}
	for _, a := range part[7].Children {
		q.attributes = append(q.attributes, a.Data.String())
	}
	return q, ok1 && ok2
}

// search sends what was found, and then the result.
func (c *conn) search(m message, f Fault) bool {
	q, ok := parseQuery(m)
	if !ok {
		return c.send(m, tagSearchDone, Answer{Code: protocolError, Text: "malformed search request"}, f)
	}
	entries, references, answer := c.find(q, m)
	for _, e := range entries {
		if !c.sendOp(m.id+f.IDShift, e, nil) {
			return false
		}
	}
	for _, url := range references {
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tagSearchReference, nil, "")
		op.AppendChild(octets(url))
		if !c.sendOp(m.id+f.IDShift, op, nil) {
			return false
		}
	}
	if f.AfterEntries {
		switch {
		case !c.survives(f):
			return false
		case f.Raw != nil:
			return c.write(f.Raw)
		case f.Answer != nil:
			answer = *f.Answer
		}
	}
	return c.send(m, tagSearchDone, answer, f)
}

// find evaluates a query. The entries are encoded under the server's lock,
// since another client may change them.
func (c *conn) find(q query, m message) (entries []*ber.Packet, references []string, answer Answer) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.base == "" && q.scope == scopeBase {
		return []*ber.Packet{s.rootDSE()}, nil, Answer{}
	}
	if refusal, ok := c.maySearch(); !ok {
		return nil, nil, refusal
	}
	if _, ok := s.tree[foldDN(q.base)]; !ok && !(s.config.Catalog && q.base == "") {
		return nil, nil, Answer{Code: noSuchObject, MatchedDN: s.tree.nearest(q.base)}
	}
	var found []*Entry
	matches := s.tree.compile(q.filter)
	for _, e := range s.tree.within(q.base, q.scope) {
		if refs := e.values("ref"); len(refs) > 0 {
			references = append(references, refs...)
		} else if v := s.virtual(e, q.scope); matches(v) {
			found = append(found, v)
		}
	}
	found, answer = c.page(found, q, m)
	for _, e := range found {
		entries = append(entries, s.encodeEntry(e, q.attributes))
	}
	return entries, references, answer
}

func (c *conn) maySearch() (Answer, bool) {
	s := c.server
	isReader := func(reader string) bool { return foldDN(reader) == c.bound }
	switch {
	case c.bound == "" && s.config.Anonymous:
		return Answer{}, true
	case c.bound != "" && (len(s.config.Readers) == 0 || slices.ContainsFunc(s.config.Readers, isReader)):
		return Answer{}, true
	case s.config.ActiveDirectory && c.bound == "":
		return Answer{Code: operationsError, Text: "000004DC: LdapErr: DSID-0C0909AF, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v2580"}, false
	}
	return Answer{Code: noSuchObject}, false
}

// page cuts what was found to the limits and to the page that was asked for;
// RFC 2696.
func (c *conn) page(found []*Entry, q query, m message) ([]*Entry, Answer) {
	total := c.server.config.SizeLimit
	if m.paged == nil {
		limit := q.limit
		if total > 0 && (limit == 0 || total < limit) {
			limit = total
		}
		if limit > 0 && len(found) > limit {
			return found[:limit], Answer{Code: sizeLimitExceeded}
		}
		return found, Answer{}
	}
	start, _ := strconv.Atoi(m.paged.cookie)
	start = min(start, len(found))
	end := min(start+m.paged.size, len(found))
	if total > 0 && end > total {
		return found[start:max(start, total)], Answer{Code: sizeLimitExceeded}
	}
	cookie := ""
	if end < len(found) {
		cookie = strconv.Itoa(end)
	}
	value := ber.NewSequence("")
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(0), ""))
	value.AppendChild(octets(cookie))
	return found[start:end], Answer{Controls: []Control{{OID: oidPaging, Value: value.Bytes()}}}
}

// encodeEntry encodes e with the attributes asked for; RFC 4511, section 4.5.1.8.
func (s *Server) encodeEntry(e *Entry, asked []string) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tagSearchEntry, nil, "")
	op.AppendChild(octets(e.DN))
	list := ber.NewSequence("")
	everything := len(asked) == 0 || slices.Contains(asked, "*")
	add := func(name string, values []string) {
		attribute := ber.NewSequence("")
		attribute.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		attribute.AppendChild(set)
		list.AppendChild(attribute)
	}
	for name, values := range e.Attributes {
		option, wanted := askedFor(name, asked)
		if len(values) == 0 || !wanted && (!everything || e.operational(name)) || slices.Contains(s.hidden, name) {
			continue
		}
		label, part := s.slice(name, option, values)
		if label != name && option == "" {
			add(name, nil) // as Active Directory does
		}
		add(label, part)
	}
	op.AppendChild(list)
	return op
}

// askedFor returns the option with which an attribute was asked for by name.
func askedFor(name string, asked []string) (option string, wanted bool) {
	for _, a := range asked {
		base, option, _ := strings.Cut(a, ";")
		if strings.EqualFold(base, name) {
			return option, true
		}
	}
	return "", false
}

// slice returns the values that one answer may have, and what the attribute is
// then called; [MS-ADTS], section 3.1.1.3.1.3.3.
func (s *Server) slice(name, option string, values []string) (string, []string) {
	most := s.config.MaxValues
	var start int
	if text, ok := strings.CutPrefix(option, "range="); ok {
		first, _, _ := strings.Cut(text, "-")
		start, _ = strconv.Atoi(first)
	} else if most == 0 || len(values) <= most {
		return name, values
	}
	start = min(start, len(values))
	if most == 0 || start+most >= len(values) {
		return fmt.Sprintf("%s;range=%d-*", name, start), values[start:]
	}
	return fmt.Sprintf("%s;range=%d-%d", name, start, start+most-1), values[start : start+most]
}
