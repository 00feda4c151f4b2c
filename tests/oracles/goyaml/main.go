// goyaml reads YAML as kubectl and the API server do: the reader that counts.
//
// A long-lived filter. A request on stdin is a decimal length, a line break, and that many bytes: one file. The answer
// on stdout is one line, the JSON list of the file's documents:
//
//	start, end  where the document lies in the file, in bytes, without its `---` line
//	data        what sigs.k8s.io/yaml makes of it
//	error       why it can't be read; then there is no data
//	strict      what strict decoding says besides: a key that stands twice
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

type document struct {
	Start  int             `json:"start"`
	End    int             `json:"end"`
	Data   json.RawMessage `json:"data,omitempty"`
	Error  string          `json:"error,omitempty"`
	Strict string          `json:"strict,omitempty"`
}

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		var length int
		if _, err := fmt.Fscanf(in, "%d\n", &length); err != nil {
			return
		}
		file := make([]byte, length)
		if _, err := io.ReadFull(in, file); err != nil {
			fmt.Fprintln(os.Stderr, "goyaml:", err)
			os.Exit(2)
		}
		line, err := json.Marshal(documents(file))
		if err != nil {
			fmt.Fprintln(os.Stderr, "goyaml:", err)
			os.Exit(2)
		}
		out.Write(append(line, '\n'))
		out.Flush()
	}
}

// documents cuts a file as k8s.io/apimachinery's YAMLReader does, and reads each piece.
func documents(file []byte) []document {
	found := []document{}
	start := 0
	for at := 0; at < len(file); {
		end := len(file)
		if i := bytes.IndexByte(file[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if rest, ok := bytes.CutPrefix(file[at:end], []byte("---")); ok {
			rest = bytes.TrimSpace(rest)
			separates := len(rest) == 0 || rest[0] == '#'
			if separates {
				found = appendRead(found, file, start, at)
				start = end
			}
		}
		at = end
	}
	return appendRead(found, file, start, len(file))
}

// appendRead adds the document between two offsets; one that says nothing is left out.
func appendRead(found []document, file []byte, start, end int) []document {
	made := document{Start: start, End: end}
	data, err := yaml.YAMLToJSON(file[start:end])
	switch {
	case err != nil:
		made.Error = err.Error()
	case string(data) == "null":
		return found
	default:
		made.Data = data
		if _, err := yaml.YAMLToJSONStrict(file[start:end]); err != nil {
			made.Strict = err.Error()
		}
	}
	return append(found, made)
}
