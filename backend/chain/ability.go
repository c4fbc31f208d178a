package chain

import (
	"encoding/binary"
	"hash/maphash"

	"gatehouse/backend"
)

// Spelling returns how names are spelled of users of the member called source.
func (b *Backend) Spelling(source string) backend.Canonicalizer {
	if m := b.member(source); m != nil {
		return m
	}
	return b
}

// CanonicalUser returns the spelling of name on which all members agree, and name
// itself if they do not: then it depends on the member, see [Backend.Spelling].
func (b *Backend) CanonicalUser(name string) string {
	return b.agreed(name, (*member).CanonicalUser)
}

// CanonicalGroup is CanonicalUser for groups.
func (b *Backend) CanonicalGroup(name string) string {
	return b.agreed(name, (*member).CanonicalGroup)
}

func (b *Backend) agreed(name string, spelling func(*member, string) string) string {
	first := spelling(b.members[0], name)
	for _, m := range b.members[1:] {
		if spelling(m, name) != first {
			return name
		}
	}
	return first
}

func (m *member) CanonicalUser(name string) string {
	return m.Backend.CanonicalUser(name)
}

// CanonicalGroup makes one name of what is one to m or to a lender of groups: a
// user of m may be in it by either.
func (m *member) CanonicalGroup(name string) string {
	name = m.Backend.CanonicalGroup(name)
	for _, lender := range m.lenders {
		name = lender.Backend.CanonicalGroup(name)
	}
	return name
}

// Version changes with that of any part of the chain. What each of them says of
// other users leaves it as it is.
func (b *Backend) Version(user string) uint64 {
	var sum maphash.Hash
	sum.SetSeed(b.seed)
	var buf [8]byte
	for _, p := range b.parts {
		binary.NativeEndian.PutUint64(buf[:], p.Backend.Version(user))
		sum.Write(buf[:])
	}
	return sum.Sum64()
}

// Status is that of all parts of the chain: it is degraded if any of them is, and
// has the servers of each.
func (b *Backend) Status() backend.Status {
	var all backend.Status
	for _, p := range b.parts {
		s := p.Backend.Status()
		all.Degraded = all.Degraded || s.Degraded
		all.Servers = append(all.Servers, s.Servers...)
	}
	return all
}

// Namesakes returns the groups that share a name in what the member called source says
// of its users, or in one of the backends that lend them groups.
func (b *Backend) Namesakes(source, name string) []string {
	m := b.member(source)
	if m == nil {
		return nil
	}
	for _, p := range append([]part{m.part}, m.lenders...) {
		if all := p.Backend.Namesakes(p.Name, name); len(all) > 0 {
			return all
		}
	}
	return nil
}
