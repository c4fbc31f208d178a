package config

import (
	"errors"
	"reflect"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"

	"gatehouse/backend/shown"
)

var errLogin = errors.New("this looks like a URL with a user name or a password in it, which has no place here, and is not shown: take it out, and change the password if others have seen it")

// checkLogin says that n, or an item of it, may hold a password, pasted into the wrong key.
// Nothing else then looks at the value, or quotes it. The tag free has the keys whose text
// may look so and be right. What a requirement names is checked by itself, and URLs and
// leads do not show what they hold.
func checkLogin(n *node, f reflect.StructField) error {
	t := f.Type
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if f.Tag.Get("free") != "" || t == reflect.TypeFor[URL]() || t == reflect.TypeFor[Lead]() || f.Type == reflect.TypeFor[[]any]() {
		return nil
	}
	holds := func(n *node) bool { return n.kind == unstable.String && shown.HasLogin(n.text) }
	if holds(n) || slices.ContainsFunc(n.items, holds) {
		return errLogin
	}
	return nil
}
