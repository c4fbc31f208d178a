package ldaptest

import (
	"fmt"
	"slices"
)

// Set adds an entry, or takes the place of the one with its name.
func (s *Server) Set(e Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identify(&e)
	return s.tree.set(e)
}

// Move gives an entry another name, under which it is the same entry.
func (s *Server) Move(dn, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.tree[foldDN(dn)]
	if !ok {
		return fmt.Errorf("move %q: there is no such entry", dn)
	}
	delete(s.tree, e.key)
	moved := *e
	moved.DN = to
	return s.tree.set(moved)
}

// Values returns the values of an attribute of an entry, none if it has none.
func (s *Server) Values(dn, attribute string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.tree[foldDN(dn)]; e != nil {
		return slices.Clone(e.values(attribute))
	}
	return nil
}

// Remove takes the entry with the given name away.
func (s *Server) Remove(dn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tree, foldDN(dn))
	s.removals[foldDN(dn)]++
}

// Hide keeps attributes from everybody from now on, as a lack of rights would,
// and shows the others again.
func (s *Server) Hide(attributes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = attributes
}
