package rules

import (
	"strings"
	"testing"
)

func TestParseRequireReadsBackInWords(t *testing.T) {
	tests := []struct {
		items []any
		want  string
	}{
		{[]any{"valid-user"}, "valid-user"},
		{[]any{"group pusher", "user ci-bot"}, "group pusher or user ci-bot"},
		{[]any{"user alice bob"}, "user alice or user bob"},
		{[]any{"  user   alice  "}, "user alice"},
		{[]any{"user valid-user"}, "user valid-user"},
		{[]any{"user all denied"}, "user all or user denied"},
		{[]any{`group "domain users" devs`}, `group "domain users" or group devs`},
		{[]any{`group "CN=Smith\\, John,DC=corp"`}, `group "CN=Smith\\, John,DC=corp"`},
		{[]any{`user "a\"b\\c"`}, `user "a\"b\\c"`},
		{[]any{`user "a,b"`}, `user "a,b"`},
		{[]any{"group cn=devs,dc=corp"}, "group cn=devs,dc=corp"},
		{[]any{"ip 10.0.0.0/8 192.0.2.7 2001:db8::/32"}, "ip 10.0.0.0/8 or ip 192.0.2.7 or ip 2001:db8::/32"},
		{[]any{"all granted"}, "all granted"},
		{[]any{"all denied"}, "all denied"},
		{[]any{either("user a", either("user b"))}, "user a or user b"},
		{[]any{all("valid-user", "not user bob eve")}, "valid-user and not (user bob or user eve)"},
		{[]any{all("valid-user", none("group a", all("user b", "ip ::1")))}, "valid-user and not (group a or (user b and ip ::1))"},
		{[]any{all("group a"), "user b"}, "group a or user b"},
		{[]any{all("group a", either("user b", "user c"))}, "group a and (user b or user c)"},
	}
	for _, tt := range tests {
		r, err := ParseRequire(tt.items)
		if err != nil {
			t.Errorf("ParseRequire(%q): %v", tt.items, err)
			continue
		}
		if got := r.String(); got != tt.want {
			t.Errorf("ParseRequire(%q) = %q, want %q", tt.items, got, tt.want)
		}
	}
}

func nested(depth int) any {
	if depth == 0 {
		return "valid-user"
	}
	return either(nested(depth - 1))
}

func TestParseRequireRefuses(t *testing.T) {
	tests := []struct {
		name  string
		items []any
		want  string
	}{
		{"missing list", nil, "require: the list is empty"},
		{"empty list", []any{}, "require: the list is empty"},
		{"empty inner list", []any{either()}, "require[0].any: the list is empty"},
		{"empty string", []any{""}, "require[0]: \"\": it is empty"},
		{"blank", []any{"  "}, "it is empty"},
		{"number", []any{int64(3)}, "require[0]: want a string"},
		{"bare list", []any{[]any{"valid-user"}}, "require[0]: want a string"},
		{"nil", []any{nil}, "require[0]: want a string"},
		{"two keys", []any{map[string]any{"any": []any{"valid-user"}, "all": []any{"valid-user"}}}, "exactly one key"},
		{"no key", []any{map[string]any{}}, "exactly one key"},
		{"unknown key", []any{map[string]any{"not": []any{"user bob"}}}, `unknown key "not"`},
		{"string for a list", []any{map[string]any{"all": "valid-user"}}, "the value of all must be a list"},

		{"not in the list itself", []any{"valid-user", "not user bob"}, `require[1]: "not" and "none" may stand only in { all = […] }`},
		{"none in the list itself", []any{none("user bob")}, `require[0]: "not" and "none"`},
		{"not in any", []any{all("valid-user", either("group a", "not user bob"))}, "require[0].all[1].any[1]: \"not\""},
		{"not in none", []any{all("valid-user", none("not user bob"))}, "require[0].all[1].none[0]: \"not\""},
		{"all of negatives", []any{all("not user bob")}, "require[0].all: the list says only who is not let in"},
		{"all of negatives by none", []any{all(none("user bob"), "not ip ::1")}, "require[0].all: the list says only"},
		{"all of negatives in all", []any{all("valid-user", all("not user bob"))}, "require[0].all[1].all: the list says only"},
		{"double negative", []any{all("valid-user", "not not user bob")}, "stands before user, group, backend, via or ip only"},
		{"not valid-user", []any{all("ip ::1", "not valid-user")}, "stands before user, group, backend, via or ip only"},
		{"not all denied", []any{all("ip ::1", "not all denied")}, "stands before user, group, backend, via or ip only"},
		{"not alone", []any{all("ip ::1", "not")}, "it is empty"},

		{"user without names", []any{"user"}, "write user and one or more names"},
		{"group without names", []any{"group"}, "write group and one or more names"},
		{"ip without addresses", []any{"ip"}, "write ip and one or more addresses"},
		{"empty name", []any{`user ""`}, `the name "" is empty`},
		{"blank name", []any{`user " bob"`}, "begins or ends with a blank"},
		{"names for valid-user", []any{"valid-user bob"}, "valid-user takes no names"},
		{"all alone", []any{"all"}, `write "all granted" or "all denied"`},
		{"all of something else", []any{"all users"}, `write "all granted" or "all denied"`},
		{"quoted keyword", []any{`"valid-user"`}, "a name stands after user or group"},
		{"open quote", []any{`group "domain users`}, "closing double quote is missing"},
		{"quote inside", []any{`group domain" users"`}, "double quote stands inside a name"},
		{"text after quote", []any{`group "domain"users`}, "a blank must follow"},
		{"single quotes", []any{`group 'domain users'`}, "not single ones"},
		{"commas", []any{"user alice, bob"}, "blanks, not commas"},
		{"split DN", []any{"group CN=Domain Users,DC=corp"}, "in double quotes, whole"},
		{"variable", []any{"group %{HTTP:X-Grp}"}, "names are taken literally"},
		{"NUL", []any{"user bob\x00"}, "control characters"},
		{"tab", []any{"user\tbob"}, "control characters"},
		{"newline", []any{"user bob\nvalid-user"}, "control characters"},
		{"invalid UTF-8", []any{"user \xff"}, "not valid UTF-8"},

		{"partial address", []any{"ip 10.1"}, "write all of it, such as 10.1.0.0/16"},
		{"netmask", []any{"ip 10.1.0.0/255.255.0.0"}, "neither an address nor a CIDR range"},
		{"address with port", []any{"ip 10.1.2.3:80"}, "neither an address nor"},
		{"address with zone", []any{"ip fe80::1%eth0"}, "neither an address nor"},
		{"bits beyond the length", []any{"ip 10.1.2.3/8"}, "write 10.0.0.0/8, or 10.1.2.3"},
		{"mapped range wider than IPv4", []any{"ip ::ffff:0:0/90"}, "bits set beyond"},
		{"host name", []any{"ip example.org"}, "neither an address nor"},

		{"users", []any{"users bob"}, "write user NAME…"},
		{"Require", []any{"Require group x"}, `leave the word "Require" out`},
		{"method", []any{"method GET"}, "methods = […]"},
		{"host", []any{"host example.org"}, "write ip ADDRESS…"},
		{"local", []any{"local"}, "write ip 127.0.0.0/8 ::1"},
		{"env", []any{"env X"}, "not offered"},
		{"expr", []any{"expr true"}, "not offered"},
		{"upper case", []any{"Valid-User"}, "write valid-user, in lower case"},
		{"unknown", []any{"frob x"}, `"frob" is not known: want valid-user, user NAME…`},
		{"deep", []any{nested(maxDepth)}, "lists stand more than 16 deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRequire(tt.items)
			if err == nil {
				t.Fatalf("ParseRequire(%q) = %q, want an error", tt.items, r)
			}
			if r != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseRequire(%q) = %v, %q; want nil and an error with %q", tt.items, r, err, tt.want)
			}
		})
	}
}

func TestParseRequireReportsAllErrorsAtOnce(t *testing.T) {
	_, err := ParseRequire([]any{"users bob", all("valid-user", "frob"), either()})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{"require[0]: ", "require[1].all[1]: ", "require[2].any: "} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("error %d of %q does not begin with %q", i, lines, want)
		}
	}
}

func TestDeepestAllowedNesting(t *testing.T) {
	mustRequire(t, nested(maxDepth-1))
}

// What is accepted reads the same when its words are parsed again, and lets no
// stranger in unless it says so.
func FuzzParseRequire(f *testing.F) {
	for _, seed := range []string{
		"valid-user", "user a b", `group "a b" c`, `user "a\"b\\c\d"`, "ip 10.0.0.0/8 ::1", "all granted",
		"all denied", "not user bob", "not", `"user" x`, "ip ::ffff:1.2.3.4/100", "user a,b", "Require user x", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRequire([]any{text})
		if (r == nil) == (err == nil) {
			t.Fatalf("ParseRequire(%q) = %v, %v", text, r, err)
		}
		if err != nil {
			return
		}
		v := r.eval(Request{}, Subject{})
		if open := r == everybody(true); open != (v == Allowed) {
			t.Errorf("%q lets strangers in: %v", text, v)
		}
		var again []any
		leaves(r, func(leaf Requirement) { again = append(again, leaf.String()) })
		reread, err := ParseRequire(again)
		if err != nil {
			t.Fatalf("%q reads as %q, which is refused: %v", text, r, err)
		}
		if reread.String() != r.String() {
			t.Errorf("%q reads as %q, and that as %q", text, r, reread)
		}
	})
}
