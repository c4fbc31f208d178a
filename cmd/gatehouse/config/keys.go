package config

import (
	"reflect"
	"sync"
)

// knownFields are what fields has returned, by the type. Every line of a file asks.
var knownFields sync.Map

// Fields returns the keys of a struct type, with those of embedded structs. Others use
// the map too: nobody changes it.
func Fields(t reflect.Type) map[string]reflect.StructField {
	if known, ok := knownFields.Load(t); ok {
		return known.(map[string]reflect.StructField)
	}
	all := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("toml"); key != "" {
			all[key] = f
		}
	}
	knownFields.Store(t, all)
	return all
}
