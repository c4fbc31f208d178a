package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"gatehouse/backend/spell"
)

// Overlay is a setting that the environment and a flag may change.
type Overlay struct{ Key, Variable, Flag, Usage string }

// overlays lists the only settings that the environment and flags may change.
var overlays = []Overlay{
	{"listen", "GATEHOUSE_LISTEN", "listen", "addresses to listen on, as HOST:PORT or :PORT, separated by commas"},
	{"insecure_plaintext", "GATEHOUSE_INSECURE_PLAINTEXT", "insecure-plaintext", "speak plain HTTP to others than this machine"},
	{"tls.cert_file", "GATEHOUSE_TLS_CERT_FILE", "cert", "file with the certificate chain, in PEM"},
	{"tls.key_file", "GATEHOUSE_TLS_KEY_FILE", "key", "file with the private key of the certificate, in PEM"},
	{"drain", "GATEHOUSE_DRAIN", "drain", "time that running requests have to finish when the program ends"},
	{"access_log", "GATEHOUSE_ACCESS_LOG", "access-log", "form of the access log: json, common, combined or off"},
	{"admin.socket", "GATEHOUSE_ADMIN_SOCKET", "admin-socket", "path of the socket by which the running gateway is asked and told"},
	{"log_level", "GATEHOUSE_LOG_LEVEL", "log-level", "least level that is logged: debug, info, warn or error"},
}

// Overlays returns the only settings that the environment and flags may change.
func Overlays() []Overlay { return slices.Clone(overlays) }

const variablePrefix = "GATEHOUSE_"

// testPrefix begins the variables that are for this program's own tests.
const testPrefix = variablePrefix + "TEST_"

// serviceLink matches the variables that Kubernetes sets in every container for
// a Service whose name begins with "gatehouse".
var serviceLink = regexp.MustCompile(`^GATEHOUSE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// AddFlags adds the flags that overlay settings of the configuration.
func AddFlags(flags *pflag.FlagSet) {
	for _, o := range overlays {
		switch settingField(o.Key).Type.Kind() {
		case reflect.Slice:
			flags.StringSlice(o.Flag, nil, o.Usage)
		case reflect.Bool:
			flags.Bool(o.Flag, false, o.Usage)
		default:
			flags.String(o.Flag, "", o.Usage)
		}
	}
}

// overlay sets c.Settings to what counts: a flag, else the environment, else the
// file, else the default. It is the only function that knows viper, which is
// used without AutomaticEnv (a variable GATEHOUSE_TLS=1 would blank the table)
// and WatchConfig (it shows files that are half written), and is given only
// values whose types are right.
func (c *Document) overlay(file map[string]any, flags *pflag.FlagSet) error {
	// No key of ours has a dot in it, so any delimiter but viper's would do.
	v := viper.NewWithOptions(viper.KeyDelimiter("\x1f"))
	layers := []map[string]any{file, c.environment()}
	for _, layer := range layers {
		if err := v.MergeConfigMap(layer); err != nil {
			return fmt.Errorf("overlay configuration: %w", err)
		}
	}
	for key, flag := range c.changedFlags(flags) {
		if err := v.BindPFlag(strings.ReplaceAll(key, ".", "\x1f"), flag); err != nil {
			return fmt.Errorf("overlay configuration: %w", err)
		}
	}
	settings := Defaults()
	if err := v.Unmarshal(&settings, exactly); err != nil {
		return fmt.Errorf("overlay configuration: %w", err)
	}
	c.Settings = settings
	return nil
}

// exactly makes mapstructure convert nothing: by default it takes 5 for 5 ns,
// "true" for true, and splits a string at commas where a list is wanted.
func exactly(d *mapstructure.DecoderConfig) {
	d.TagName = "toml"
	d.WeaklyTypedInput = false
	d.ErrorUnused = true
	d.Squash = true
	d.DecodeHook = mapstructure.TextUnmarshallerHookFunc()
	d.MatchName = func(key, field string) bool { return key == field } // by default it folds cases
}

// environment returns the settings that variables of the environment make. An
// unknown variable is an error: it is a setting that would silently not count.
func (c *Document) environment() map[string]any {
	layer := map[string]any{}
	allowed := c.namedVariables()
	for _, entry := range slices.Sorted(slices.Values(os.Environ())) {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || strings.HasPrefix(name, testPrefix) || slices.Contains(allowed, name) {
			continue
		}
		i := slices.IndexFunc(overlays, func(o Overlay) bool { return o.Variable == name })
		switch {
		case i >= 0 && value != "":
			c.set(layer, overlays[i].Key, name, value)
		case i >= 0: // empty is unset, as Compose files write it
		case serviceLink.MatchString(name):
			c.Report.Warnf(Place{Name: name}, "this variable of the environment looks like one that Kubernetes sets for a Service, and is ignored: set enableServiceLinks: false in the Pod to be rid of it")
		default:
			c.Report.Errorf(Place{Name: name}, "unknown variable in the environment (known: %s): unset it%s", strings.Join(knownVariables(), ", "), spell.DidYouMean(name, knownVariables()))
		}
	}
	return layer
}

func knownVariables() []string {
	known := []string{Variable}
	for _, o := range overlays {
		known = append(known, o.Variable)
	}
	return known
}

// namedVariables returns the variables that the configuration itself names, as
// in upstream_password_env.
func (c *Document) namedVariables() []string {
	names := []string{Variable}
	if c.Origin.doc == nil {
		return names
	}
	var visit func(n *node)
	visit = func(n *node) {
		for key, child := range n.table {
			if strings.HasSuffix(key, "_env") {
				names = append(names, child.text)
			}
			visit(child)
		}
		for _, item := range n.items {
			visit(item)
		}
	}
	visit(c.Origin.doc.root)
	return names
}

// set puts the value of a variable into layer if it is a good one.
func (c *Document) set(layer map[string]any, key, variable, text string) {
	n, value := textValue(settingField(key), text)
	if !c.accept(key, variable, n) {
		return
	}
	steps := strings.Split(key, ".")
	for _, step := range steps[:len(steps)-1] {
		next, ok := layer[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			layer[step] = next
		}
		layer = next
	}
	layer[steps[len(steps)-1]] = value
}

// accept checks the value of a variable or flag as that of a key of the file,
// and notes where the value of key comes from.
func (c *Document) accept(key, name string, n *node) bool {
	c.Origin.set[key] = name
	f := settingField(key)
	err := checkLogin(n, f)
	if err == nil && n.kind != unstable.Array { // of strings; what they say is checked with the file's
		err = checkScalar(n, f)
	}
	if err != nil {
		c.Report.Errorf(Place{Name: name}, "%v", err)
		return false
	}
	return true
}

// changedFlags returns the flags that were given, by the key that they set.
func (c *Document) changedFlags(flags *pflag.FlagSet) map[string]*pflag.Flag {
	changed := map[string]*pflag.Flag{}
	if flags == nil {
		return changed
	}
	for _, o := range overlays {
		flag := flags.Lookup(o.Flag)
		if flag == nil || !flag.Changed {
			continue
		}
		if n, _ := textValue(settingField(o.Key), flag.Value.String()); c.accept(o.Key, "--"+o.Flag, n) {
			changed[o.Key] = flag
		}
	}
	return changed
}

// textValue returns what text means as the value of f.
func textValue(f reflect.StructField, text string) (*node, any) {
	switch {
	case f.Type.Kind() == reflect.Slice:
		list, n := strings.Split(text, ","), &node{kind: unstable.Array}
		for i, item := range list {
			list[i] = strings.TrimSpace(item)
			n.items = append(n.items, &node{kind: unstable.String, text: list[i]})
		}
		return n, list
	case f.Type.Kind() == reflect.Bool && (text == "true" || text == "false"):
		return &node{kind: unstable.Bool, text: text}, text == "true"
	default:
		return &node{kind: unstable.String, text: text}, text
	}
}

// settingField returns the field of Settings at a dotted key.
func settingField(key string) reflect.StructField {
	t, f := reflect.TypeFor[Settings](), reflect.StructField{}
	for step := range strings.SplitSeq(key, ".") {
		f = Fields(t)[step]
		t = f.Type
	}
	return f
}
