package config

import (
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/google/go-cmp/cmp"
)

// The schema refuses wrong types before viper sees them; if it ever missed one,
// viper must not convert it.
func TestOverlayConvertsNothing(t *testing.T) {
	for name, file := range map[string]map[string]any{
		"number for duration":   {"drain": int64(5)},
		"string for bool":       {"insecure_plaintext": "true"},
		"string for list":       {"listen": "127.0.0.1:1,127.0.0.1:2"},
		"number for string":     {"access_log": int64(1)},
		"string for number":     {"cache": map[string]any{"size": "10"}},
		"unknown key":           {"workers": int64(1)},
		"unknown key in table":  {"cache": map[string]any{"sice": int64(1)}},
		"duration without unit": {"drain": "5"},
		"table for string":      {"access_log": map[string]any{"a": "b"}},
	} {
		c := &Document{Origin: Origin{set: map[string]string{}}}
		if err := c.overlay(file, nil); err == nil {
			t.Errorf("%s: %v was accepted as %+v", name, file, c.Settings)
		}
	}
}

func TestShorterListReplacesTheDefault(t *testing.T) {
	s := Settings{Listen: []string{"a", "b", "c"}}
	config := &mapstructure.DecoderConfig{Result: &s}
	exactly(config)
	decoder, err := mapstructure.NewDecoder(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := decoder.Decode(map[string]any{"listen": []any{"d"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d"}, s.Listen); diff != "" {
		t.Errorf("listen (-want +got):\n%s", diff)
	}
}
