package rules

import (
	"slices"
	"strings"
	"sync"
)

// index finds the rules of a policy that may be about a request without a look at each. It
// names more than those that are: whether a rule is about a request is for the rule to say.
type index struct {
	always              []int // that may be about any
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
		case len(r.repositories) > 0:
			x.repositories.add(r.repositories, i)
		case len(r.paths) > 0:
			x.paths.add(r.paths, i)
		default:
			x.always = append(x.always, i)
		}
	}
	return x
}

// find appends the indexes of the rules that may be about q to found, in order.
func (x *index) find(q *question, found []int) []int {
	if x.paths.isEmpty() && x.repositories.isEmpty() {
		return x.always
	}
	found = x.paths.find(q.Path, append(found, x.always...))
	if q.at.Repository != "" {
		found = x.repositories.find(q.at.Repository, found)
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
	var room [2][16]int
	marks := t.marked()
	defer t.marks.Put(marks)
	w := treeWalk{tree: t, marks: *marks}
	now, next := w.enter(room[0][:0], 0), room[1][:0]
	for rest := TrimSlashes(path); rest != "" && len(now) > 0; now, next = next, now[:0] {
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
	return found
}

// marked returns marks of which none is set.
func (t *segmentTree) marked() *[]uint64 {
	if marks, ok := t.marks.Get().(*[]uint64); ok {
		return marks
	}
	marks := make([]uint64, (len(t.nodes)+63)/64)
	return &marks
}

// treeWalk is one walk through a tree. Its marks are of the nodes that it is at.
type treeWalk struct {
	tree  *segmentTree
	marks []uint64
}

// enter appends a node, and those that no segment leads to from there.
func (w *treeWalk) enter(nodes []int, at int) []int {
	for w.marks[at/64]&(1<<(at%64)) == 0 {
		w.marks[at/64] |= 1 << (at % 64)
		nodes = append(nodes, at)
		if at = w.tree.nodes[at].several; at == 0 {
			break
		}
	}
	return nodes
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
	if next := n.literal[segment]; next != 0 {
		nodes = w.enter(nodes, next)
	}
	return nodes
}

func (w *treeWalk) clear(nodes []int) {
	for _, at := range nodes {
		w.marks[at/64] = 0
	}
}
