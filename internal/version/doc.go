// Package version says which build of the module a program is. All programs print the same text for -version.
package version
