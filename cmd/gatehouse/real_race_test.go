//go:build race

package main_test

// raceFlag builds the program as the tests are built.
const raceFlag = "-race=true"
