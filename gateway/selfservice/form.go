package selfservice

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// Fields of the forms.
const (
	fieldName         = "name"
	fieldActions      = "action" // once for each
	fieldRepositories = "repositories"
	fieldTTL          = "ttl"
	fieldDays         = "days"
	fieldNetworks     = "networks"
	fieldOverlap      = "overlap"
)

// Fields of the forms of each act.
var fieldsOf = map[string][]string{
	"":     {fieldName, fieldActions, fieldRepositories, fieldTTL, fieldDays, fieldNetworks},
	revoke: {},
	rotate: {fieldOverlap},
}

// checkFields refuses a form that can be read in two ways, or in none.
func checkFields(act string, form map[string][]string) error {
	for name, values := range form {
		switch {
		case !slices.Contains(fieldsOf[act], name):
			return malformed(fmt.Sprintf("the form has a field that is not known here: %.40q", name))
		case len(values) > 1 && name != fieldActions:
			return malformed("the form has the field " + name + " more than once")
		}
		for i, value := range values {
			if slices.Contains(values[:i], value) {
				return malformed("the form has the field " + name + " twice with one value")
			}
		}
	}
	return nil
}

func malformed(sentence string) error { return &Refusal{Why: Malformed, Message: sentence} }

// wish is the form for a token as it was sent, and what is wrong with it.
type wish struct {
	Name, Repositories, TTL, Days, Networks string
	Actions                                 []string
	Errors                                  map[string]string // by field
}

func readWish(form map[string][]string) *wish {
	one := func(name string) string { return strings.TrimSpace(strings.Join(form[name], "")) }
	return &wish{
		Name: one(fieldName), Repositories: one(fieldRepositories), TTL: one(fieldTTL), Days: one(fieldDays), Networks: one(fieldNetworks),
		Actions: form[fieldActions], Errors: map[string]string{},
	}
}

// order returns what w asks for, as far as nothing is wrong with it.
func (w *wish) order(bounds owntoken.Config) (o owntoken.Order) {
	o.Kind, o.Name = owntoken.Personal, w.Name
	w.note(fieldName, owntoken.CheckName(w.Name))
	o.Limits.Repositories = w.repositories()
	o.Limits.Actions = w.actions()
	o.Limits.From = w.networks()
	o.TTL = w.ttl(bounds.MaxTTL)
	return o
}

// note takes down what is wrong with a field, the first thing alone.
func (w *wish) note(field string, err error) {
	if err != nil && w.Errors[field] == "" {
		w.Errors[field] = err.Error()
	}
}

// sentence makes one of the text of an error.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// maxItems bounds a list of patterns or networks.
const maxItems = 50

// items returns what stands in a list, apart by blanks or commas; nil if nothing does.
func (w *wish) items(field, text string) []string {
	list := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	if len(list) > maxItems {
		w.note(field, fmt.Errorf("these are more than %d", maxItems))
	}
	return list
}

func (w *wish) repositories() (patterns []string) {
	for _, text := range w.items(fieldRepositories, w.Repositories) {
		w.note(fieldRepositories, rules.CheckRepository(text))
		patterns = append(patterns, text)
	}
	return patterns
}

func (w *wish) actions() []string {
	if len(w.Actions) == 0 {
		w.note(fieldActions, errors.New("tick one at least"))
	}
	for _, name := range w.Actions {
		w.note(fieldActions, rules.CheckAction(name))
	}
	return w.Actions
}

func (w *wish) networks() (list []netip.Prefix) {
	for _, text := range w.items(fieldNetworks, w.Networks) {
		network, err := strict.ParseNetwork(text)
		w.note(fieldNetworks, err)
		list = append(list, network)
	}
	return list
}

// ttl returns how long the token is to be good. A number of days counts more than the choice
// beside it, which a form always has.
func (w *wish) ttl(longest time.Duration) time.Duration {
	if w.Days != "" {
		days, err := strconv.Atoi(w.Days)
		if most := int(longest / day); err != nil || days < 1 || days > most {
			w.note(fieldDays, fmt.Errorf("want a number of days from 1 to %d", most))
			return 0
		}
		return time.Duration(days) * day
	}
	ttl, err := time.ParseDuration(w.TTL)
	if err != nil || ttl < time.Minute || ttl > longest {
		w.note(fieldTTL, fmt.Errorf("want a time from a minute to %s, such as %s", lasting(longest), min(longest, 30*day)))
		return 0
	}
	return ttl
}

// overlapOf returns how long an old token goes on beside the one that takes its place.
func overlapOf(form map[string][]string) (time.Duration, error) {
	text := strings.Join(form[fieldOverlap], "")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, malformed("the overlap is no time such as 24h")
	}
	return d, nil
}
