package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// object is a JSON object, whose keys are written in order.
type object = map[string]any

// durationPattern is what Duration.UnmarshalText reads, without signs.
const durationPattern = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h|d))+$`

// schema returns docs/config.schema.json, in the version that editors know best.
func (r *reference) schema() []byte {
	root := r.tableSchema(reflect.TypeFor[config.Document](), nil)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Configuration of gatehouse"
	root["definitions"] = object{"requirement": requirementSchema()}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		r.t.Fatal(err)
	}
	return b.Bytes()
}

// requirementSchema describes an item of the list require.
func requirementSchema() object {
	item := object{"$ref": "#/definitions/requirement"}
	list := object{"type": "array", "minItems": 1, "items": item}
	return object{"oneOf": []any{
		object{"type": "string", "minLength": 1},
		object{
			"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
			"properties": object{"any": list, "all": list, "none": list},
		},
	}}
}

// tableSchema describes a table of a type, and what it has besides.
func (r *reference) tableSchema(typ reflect.Type, besides object) object {
	properties := object{}
	for _, f := range reflect.VisibleFields(typ) {
		if key := f.Tag.Get("toml"); key != "" {
			s := r.fieldSchema(f)
			s["description"] = sentence(r.meaning(typ, f))
			properties[key] = s
		}
	}
	for key, s := range besides {
		properties[key] = s
	}
	return object{"type": "object", "additionalProperties": false, "properties": properties}
}

func (r *reference) fieldSchema(f reflect.StructField) object {
	tag := f.Tag
	switch {
	case f.Type == reflect.TypeFor[[]config.Backend]():
		return object{"type": "array", "items": r.backendSchema()}
	case f.Type == reflect.TypeFor[[]any]():
		return object{"type": "array", "minItems": 1, "items": object{"$ref": "#/definitions/requirement"}}
	case f.Type.Kind() == reflect.Interface:
		return object{"oneOf": []any{object{"type": "string", "minLength": 1}, object{"const": false}}}
	case isTable(f.Type):
		return r.tableSchema(f.Type, nil)
	case isTables(f.Type):
		return object{"type": "array", "items": r.tableSchema(f.Type.Elem(), nil)}
	case f.Type.Kind() == reflect.Slice:
		return object{"type": "array", "items": object{"type": "string"}}
	case tag.Get("oneof") != "":
		return object{"type": "string", "enum": strings.Fields(tag.Get("oneof"))}
	case f.Type == reflect.TypeFor[config.Duration]():
		return object{"type": "string", "pattern": durationPattern}
	case f.Type.Kind() == reflect.Int:
		low, _ := strconv.Atoi(tag.Get("min"))
		high, _ := strconv.Atoi(tag.Get("max"))
		return object{"type": "integer", "minimum": low, "maximum": high}
	case f.Type.Kind() == reflect.Bool || f.Type == reflect.TypeFor[*bool]():
		return object{"type": "boolean"}
	}
	return object{"type": "string"}
}

// backendSchema describes a [[backend]], whose keys depend on its type.
func (r *reference) backendSchema() object {
	var each []any
	for _, kind := range slices.Sorted(maps.Keys(assemble.Kinds())) {
		s := r.tableSchema(assemble.Kinds()[kind].Keys, object{
			"name": object{"type": "string", "minLength": 1},
			"type": object{"const": kind},
		})
		s["required"] = []string{"name", "type"}
		each = append(each, s)
	}
	return object{"oneOf": each}
}

// TestSchemaAgreesWithTheLoader has the schema judge the files that the loader
// is tested with.
func TestSchemaAgreesWithTheLoader(t *testing.T) {
	t.Parallel()
	description, err := jsonschema.UnmarshalJSON(bytes.NewReader(newReference(t).schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.schema.json", description); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range goodFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(tomlValue(t, string(text))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, text := range []string{
		`listn = [":5043"]`, `listen = ":5043"`, `drain = 5`, `drain = "5"`, `access_log = "xml"`, "[cache]\nsize = 0", "[cache]\nttl = \"fast\"",
		"[[backend]]\nname = \"a\"", "[[backend]]\nname = \"a\"\ntype = \"nis\"", "[[backend]]\nname = \"a\"\ntype = \"htpasswd\"\nurls = []",
		"[[route]]\n[[route.rule]]\nrequire = []", "[[route]]\n[[route.rule]]\nrequire = [{ some = [\"valid-user\"] }]",
		"[[route]]\n[[route.rule]]\nrequire = [{ any = [\"valid-user\"], all = [\"valid-user\"] }]", "[[route]]\nrequire = [\"valid-user\"]",
	} {
		if schema.Validate(tomlValue(t, text)) == nil {
			t.Errorf("the schema accepts %q", text)
		}
	}
}

// tomlValue returns a document in TOML as JSON has it.
func tomlValue(t *testing.T, text string) any {
	t.Helper()
	var document any
	if err := toml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
