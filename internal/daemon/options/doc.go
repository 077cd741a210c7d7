// Package options reads the command lines of the tools, and the files of flags that these name, by the rules of
// docs/RELIABILITY.md (K01, K02, K04), on top of the standard library's flag package.
//
//   - A flag is spelled -flag value, -flag=value, --flag value or --flag=value.
//   - -h, -help and -? win over everything else on the line.
//   - A wrong line yields one *UsageError, a single line that names the flag, the value and the reason: an unknown flag, a
//     missing argument, a bad value, a flag given twice, an unexpected argument.
//   - A file has the same flags, one a line (see Config). The command line wins.
//
// A tool's start reads:
//
//	s := options.New("dc_client", "-server address [options]", "Passes the requests of …")
//	s.Millis(&config.Retry, "retry", 5*time.Second, time.Millisecond, time.Hour, "Time between two attempts …")
//	if code, done := s.Exit(s.Parse(args), stdout, stderr); done {
//		return code
//	}
package options
