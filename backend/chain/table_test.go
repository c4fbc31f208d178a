package chain_test

import (
	"errors"
	"fmt"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/chain"
)

// answer is what a member says to a login, in one letter.
type answer byte

const (
	vouches     answer = 'v'
	unknown     answer = 'u'
	wrong       answer = 'w'
	locked      answer = 'l'
	unavailable answer = 'a'
	fault       answer = 'f'
)

const answers = "vuwlaf"

// error returns the answer as a Backend words it.
func (a answer) error() error {
	kinds := map[answer]error{
		unknown: backend.ErrUnknownUser, wrong: backend.ErrWrongPassword, locked: backend.ErrLocked,
		unavailable: backend.ErrUnavailable, fault: errFault,
	}
	if kind := kinds[a]; kind != nil {
		return fmt.Errorf("said by a member: %w", kind)
	}
	return nil
}

// answerOf returns which answer an error is, and 0 for one that is two at once:
// what looks like a refusal must be nothing else.
func answerOf(err error) answer {
	is := answer(0)
	if err == nil {
		is = vouches
	}
	for _, a := range []answer(answers)[1:] {
		kind := errors.Unwrap(a.error())
		if errors.Is(err, kind) && is != 0 {
			return 0
		} else if errors.Is(err, kind) {
			is = a
		}
	}
	return is
}

// link is a member in the table: what it says, and what is asked of it.
type link struct {
	says                       answer
	onWrong, onUnavailableNext bool
}

func (l link) String() string {
	text := string(l.says)
	if l.onWrong {
		text += "W"
	}
	if l.onUnavailableNext {
		text += "A"
	}
	return text
}

// outcome is what a chain comes to: its answer, and which members it asked.
type outcome struct {
	answer answer
	asked  int
}

// expected is the reference. It reads the rules as they are written down, from the
// end: a chain is its first member and a chain of the others.
func expected(links []link) outcome {
	first, others := links[0], links[1:]
	on := first.says == unknown ||
		(first.says == wrong || first.says == locked) && first.onWrong ||
		first.says == unavailable && first.onUnavailableNext
	if !on || len(others) == 0 {
		return outcome{first.says, 1}
	}
	rest := expected(others)
	rest.asked++
	switch {
	case rest.answer == vouches || rest.answer == fault:
	case first.says == unavailable:
		rest.answer = unavailable // whoever it was might have vouched
	case first.says != unknown && rest.answer == unknown:
		rest.answer = first.says // the only one that knew the user
	}
	return rest
}

// Every combination of what one to three members can say and what can be asked of
// them: 24 + 24² + 24³ chains.
func TestTruthTable(t *testing.T) {
	var all []link
	for _, says := range []answer(answers) {
		for flags := range 4 {
			all = append(all, link{says, flags&1 > 0, flags&2 > 0})
		}
	}
	seen := map[outcome]int{}
	var visit func(links []link)
	visit = func(links []link) {
		if len(links) > 0 {
			seen[checkTruth(t, links)]++
		}
		if len(links) < 3 {
			for _, l := range all {
				visit(append(links[:len(links):len(links)], l))
			}
		}
	}
	visit(nil)
	for _, a := range []answer(answers) {
		for asked := 1; asked <= 3; asked++ {
			if seen[outcome{a, asked}] == 0 {
				t.Errorf("no chain says %c after asking %d members: the table is not complete", a, asked)
			}
		}
	}
}

// checkTruth asks the chain of links and compares it with the reference.
func checkTruth(t *testing.T, links []link) outcome {
	t.Helper()
	var c chain.Config
	stubs := make([]stub, len(links))
	for i, l := range links {
		stubs[i].err = l.says.error()
		c.Members = append(c.Members, member{fmt.Sprint("m", i), &stubs[i], l.onWrong, l.onUnavailableNext})
	}
	id, err := mustChain(t, c).Authenticate(t.Context(), "alice", "password")
	got, want := outcome{answer: answerOf(err)}, expected(links)
	for i := range stubs {
		if got.asked += stubs[i].asked; got.asked != min(i+1, want.asked) {
			t.Errorf("%v: member %d was asked %d times", links, i, stubs[i].asked)
		}
	}
	source := ""
	if want.answer == vouches {
		source = fmt.Sprint("m", want.asked-1)
	}
	if got != want || id.Source != source {
		t.Errorf("%v: got %c after %d, of %q, want %c after %d, of %q (%v)",
			links, got.answer, got.asked, id.Source, want.answer, want.asked, source, err)
	}
	if refused := want.answer == unknown || want.answer == wrong || want.answer == locked; backend.Refused(err) != refused {
		t.Errorf("%v: a refusal is %t, want %t: %v", links, !refused, refused, err)
	}
	return got
}

// The table in words, for those who would change it.
func TestWhatTheTableSays(t *testing.T) {
	const stop = 0
	const onWrong, onUnavailable = 1, 2
	l := func(says answer, flags int) link { return link{says, flags&onWrong > 0, flags&onUnavailable > 0} }
	for _, tt := range []struct {
		name  string
		links []link
		want  outcome
	}{
		{"unknown here, known there", []link{l(unknown, stop), l(vouches, stop)}, outcome{vouches, 2}},
		{"a later member is no second guess", []link{l(wrong, stop), l(vouches, stop)}, outcome{wrong, 1}},
		{"a later member does not unlock", []link{l(locked, stop), l(vouches, stop)}, outcome{locked, 1}},
		{"unless asked to", []link{l(locked, onWrong), l(vouches, stop)}, outcome{vouches, 2}},
		{"an outage is no weaker password", []link{l(unavailable, stop), l(vouches, stop)}, outcome{unavailable, 1}},
		{"break glass", []link{l(unavailable, onUnavailable), l(vouches, stop)}, outcome{vouches, 2}},
		{"an outage is no refusal", []link{l(unavailable, onUnavailable), l(unknown, stop)}, outcome{unavailable, 2}},
		{"an outage is no wrong password", []link{l(unavailable, onUnavailable), l(wrong, stop)}, outcome{unavailable, 2}},
		{"wrong here and unknown there", []link{l(wrong, onWrong), l(unknown, stop), l(unknown, stop)}, outcome{wrong, 3}},
		{"a fault is never passed over", []link{l(fault, onWrong|onUnavailable), l(vouches, stop)}, outcome{fault, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if want := expected(tt.links); want != tt.want {
				t.Errorf("the reference says %+v, want %+v", want, tt.want)
			}
			if got := checkTruth(t, tt.links); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// An answer that is two at once is no answer if one of them is none, and does not
// make the chain go on if one of them stops it.
func TestAnswersThatAreTwoAtOnce(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want answer
	}{
		{errors.Join(backend.ErrWrongPassword, backend.ErrUnavailable), unavailable},
		{errors.Join(backend.ErrUnknownUser, backend.ErrUnavailable), unavailable},
		{errors.Join(backend.ErrUnknownUser, backend.ErrLocked), locked},
		{errors.Join(backend.ErrUnknownUser, backend.ErrWrongPassword), wrong},
	} {
		later := &stub{}
		b := mustChain(t, chain.Config{Members: []member{{Name: "a", Backend: &stub{err: tt.err}}, {Name: "b", Backend: later}}})
		_, err := b.Authenticate(t.Context(), "alice", "password")
		if !errors.Is(err, errors.Unwrap(tt.want.error())) || later.asked > 0 || backend.Refused(err) != (tt.want != unavailable) {
			t.Errorf("%q: got %v after asking on %d times, want %c", tt.err, err, later.asked, tt.want)
		}
	}
}

func TestErrorOfAnOutageNamesEveryMemberThatIsOut(t *testing.T) {
	out := &stub{err: backend.ErrUnavailable}
	b := mustChain(t, chain.Config{Members: []member{
		{Name: "a", Backend: backend.Named("a", out), NextOnUnavailable: true},
		{Name: "b", Backend: backend.Named("b", out), NextOnUnavailable: true},
		{Name: "c", Backend: backend.Named("c", &stub{err: backend.ErrUnknownUser})},
	}})
	_, err := b.Authenticate(t.Context(), "alice", "password")
	if want := `backend "a": backend unavailable; backend "b": backend unavailable`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
