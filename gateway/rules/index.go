package rules

import (
	"path"
	"slices"
	"strings"
	"sync"

	"gatehouse/gateway/oci"
)

// index finds the rules of a policy that may be about a request without a look at each. It
// names more than those that are: whether a rule is about a request is for the rule to say.
type index struct {
	always              []int // that may be about any
	login               []int // that are about the root of the registry alone
	paths, repositories *segmentTree
}

// indexedFrom is how many rules are worth an index. Fewer are looked at one after the
// other in less time.
const indexedFrom = 16

func newIndex(rules []rule) *index {
	x := &index{paths: newSegmentTree(), repositories: newSegmentTree()}
	for i := range rules {
		r := &rules[i]
		switch {
		case len(rules) < indexedFrom:
			x.always = append(x.always, i)
		case r.Name == BuiltinRule:
			x.login = append(x.login, i)
		case len(r.repositories) > 0:
			x.repositories.add(r.repositories, i)
		case len(r.paths) > 0:
			x.paths.add(r.paths, i)
		default:
			x.always = append(x.always, i)
		}
	}
	x.paths.skipBegin()
	x.repositories.skipBegin()
	return x
}

// find appends the indexes of the rules that may be about q to found, in order.
func (x *index) find(q *question, found []int) []int {
	if x.paths.isEmpty() && x.repositories.isEmpty() {
		return x.always
	}
	found = x.paths.find(q.Path, append(found, x.always...))
	switch {
	case q.at.Kind == oci.Base:
		found = append(found, x.login...)
	case q.at.Repository != "":
		found = x.repositories.find(q.at.Repository, found)
	}
	if len(found) < 2 {
		return found
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// findCovering returns the indexes of the rules that may be about everything that a
// pattern of paths describes, and one of repositories, in order.
func (x *index) findCovering(path, repository Pattern) []int {
	if x.paths.isEmpty() && x.repositories.isEmpty() {
		return x.always
	}
	found := x.paths.find(path.asPath(), slices.Clone(x.always))
	if repository != nil {
		found = x.repositories.find(repository.asPath(), found)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// segmentTree holds patterns by their segments. A path is walked through it from all nodes
// at once that its beginning leads to, so that no patterns make it walk twice.
type segmentTree struct {
	nodes []segmentNode
	marks sync.Pool // of *[]uint64, a bit for each node

	// Where all patterns begin with the same literal segments, as with the root of a
	// registry, the walk begins behind these.
	begin string
	root  int
}

type segmentNode struct {
	literal map[string]int // nodes that a segment leads to; 0 is none, as the root is no child
	one     int            // that any segment leads to
	several int            // that no segment leads to already, and any number more
	loops   bool           // it is such a node
	ends    []int          // rules of patterns that end here
}

func newSegmentTree() *segmentTree { return &segmentTree{nodes: make([]segmentNode, 1)} }

func (t *segmentTree) isEmpty() bool { return len(t.nodes) == 1 }

func (t *segmentTree) add(patterns []Pattern, rule int) {
	for _, p := range patterns {
		at := 0
		for _, segment := range p {
			at = t.child(at, segment)
		}
		t.nodes[at].ends = append(t.nodes[at].ends, rule)
	}
}

// skipBegin finds the literal segments that all patterns begin with.
func (t *segmentTree) skipBegin() {
	for {
		n := &t.nodes[t.root]
		if len(n.literal) != 1 || n.one != 0 || n.several != 0 || n.loops || len(n.ends) > 0 {
			return
		}
		for segment, next := range n.literal {
			t.begin, t.root = path.Join(t.begin, segment), next
		}
	}
}

// child returns the node that a segment of a pattern leads to. A template may stand for any
// segment.
func (t *segmentTree) child(at int, segment string) int {
	next := len(t.nodes)
	n := &t.nodes[at]
	switch segment {
	case anySegments:
		if n.several != 0 {
			return n.several
		}
		n.several = next
	case oneSegment, userSegment, groupSegment:
		if n.one != 0 {
			return n.one
		}
		n.one = next
	default:
		if known, ok := n.literal[segment]; ok {
			return known
		}
		if n.literal == nil {
			n.literal = map[string]int{}
		}
		n.literal[segment] = next
	}
	t.nodes = append(t.nodes, segmentNode{loops: segment == anySegments})
	return next
}

// find appends the rules with a pattern that may describe path to found.
func (t *segmentTree) find(path string, found []int) []int {
	if t.isEmpty() {
		return found
	}
	path = TrimSlashes(path)
	if t.begin != "" && !Takes(t.begin, path) {
		return found
	}
	var room [2][fewNodes]int
	w := treeWalk{tree: t}
	now, next := w.enter(room[0][:0], t.root), room[1][:0]
	for rest := strings.TrimPrefix(path[len(t.begin):], "/"); rest != "" && !w.stays(now); now, next = next, now[:0] {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		w.clear(now)
		for _, at := range now {
			next = w.step(next, at, segment)
		}
	}
	w.clear(now)
	for _, at := range now {
		found = append(found, t.nodes[at].ends...)
	}
	w.end()
	return found
}

// treeWalk is one walk through a tree.
type treeWalk struct {
	tree  *segmentTree
	marks *[]uint64 // of the nodes that it is at; nil as long as these were few
}

// fewNodes is how many nodes are compared one by one in less time than marks take.
const fewNodes = 8

// stays reports whether no segment leads away from the nodes, nor to another.
func (w *treeWalk) stays(nodes []int) bool {
	for _, at := range nodes {
		if n := &w.tree.nodes[at]; !n.loops || n.one != 0 || n.literal != nil {
			return false
		}
	}
	return true
}

// enter appends a node, and those that no segment leads to from there.
func (w *treeWalk) enter(nodes []int, at int) []int {
	for !w.isAt(nodes, at) {
		nodes = append(nodes, at)
		if at = w.tree.nodes[at].several; at == 0 {
			break
		}
	}
	return nodes
}

// isAt reports whether a node is among nodes, which the caller appends it to if not.
func (w *treeWalk) isAt(nodes []int, at int) bool {
	if w.marks == nil {
		if len(nodes) < fewNodes {
			return slices.Contains(nodes, at)
		}
		w.mark(nodes)
	}
	bits, bit := &(*w.marks)[at/64], uint64(1)<<(at%64)
	was := *bits&bit != 0
	*bits |= bit
	return was
}

// mark begins to use marks. None of those in the pool is set.
func (w *treeWalk) mark(nodes []int) {
	t := w.tree
	if w.marks, _ = t.marks.Get().(*[]uint64); w.marks == nil {
		marks := make([]uint64, (len(t.nodes)+63)/64)
		w.marks = &marks
	}
	for _, at := range nodes {
		(*w.marks)[at/64] |= 1 << (at % 64)
	}
}

// clear takes the marks of all nodes away, which nodes has.
func (w *treeWalk) clear(nodes []int) {
	if w.marks == nil {
		return
	}
	for _, at := range nodes {
		(*w.marks)[at/64] = 0
	}
}

func (w *treeWalk) end() {
	if w.marks != nil {
		w.tree.marks.Put(w.marks)
	}
}

// step appends the nodes that a segment leads to from a node.
func (w *treeWalk) step(nodes []int, at int, segment string) []int {
	n := &w.tree.nodes[at]
	if n.loops {
		nodes = w.enter(nodes, at)
	}
	if n.one != 0 {
		nodes = w.enter(nodes, n.one)
	}
	if n.literal == nil {
		return nodes
	}
	if next := n.literal[segment]; next != 0 {
		nodes = w.enter(nodes, next)
	}
	return nodes
}
