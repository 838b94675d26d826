// Command validate says what an API server of Kubernetes would say to manifests, without one: it
// decodes strictly, fills in the defaults, and runs the server's own strategies and the admission
// of Pod Security. Custom resources are held against the definitions in the folders of -crds.
//
// It prints a line for each refusal, "file: kind/name: what", and fails if there is one.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

type folders []string

func (f *folders) String() string          { return strings.Join(*f, " ") }
func (f *folders) Set(folder string) error { *f = append(*f, folder); return nil }

func main() {
	var crds folders
	flag.Var(&crds, "crds", "a folder of custom resource definitions; may be repeated")
	flag.Parse()
	customs, err := readDefinitions(crds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	refused, objects := 0, 0
	for _, file := range flag.Args() {
		count, problems := checkFile(file, customs)
		objects += count
		for _, problem := range problems {
			fmt.Printf("%s: %v\n", file, problem)
		}
		refused += len(problems)
	}
	fmt.Printf("%d objects in %d files, %d refused\n", objects, flag.NArg(), refused)
	if refused > 0 || objects == 0 {
		os.Exit(1)
	}
}

// checkFile returns how many objects the file has, and what is wrong with them.
func checkFile(file string, customs definitions) (int, []error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, []error{err}
	}
	reader := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer reader.Close()
	buffer := make([]byte, len(text)+1)
	namespaces := levels{}
	var objects []object
	var problems []error
	for {
		n, err := reader.Read(buffer)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return len(objects), append(problems, err)
		}
		if len(bytes.TrimSpace(buffer[:n])) == 0 {
			continue
		}
		object, err := newObject(buffer[:n])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		namespaces.learn(object.content)
		objects = append(objects, object)
	}
	for _, object := range objects {
		for _, err := range object.check(customs, namespaces) {
			problems = append(problems, fmt.Errorf("%s: %w", object.title(), err))
		}
	}
	return len(objects), problems
}

type object struct {
	json    []byte
	content *unstructured.Unstructured
}

func newObject(document []byte) (object, error) {
	// Strict: a duplicate key would otherwise hide what stands before it.
	json, err := sigsyaml.YAMLToJSONStrict(document)
	if err != nil {
		return object{}, err
	}
	content := &unstructured.Unstructured{}
	if err := content.UnmarshalJSON(json); err != nil {
		return object{}, err
	}
	return object{json: json, content: content}, nil
}

func (o object) title() string {
	return o.content.GetKind() + "/" + o.content.GetName()
}

func (o object) check(customs definitions, namespaces levels) []error {
	kind := o.content.GroupVersionKind()
	if definition, found := customs[kind]; found {
		return definition.check(context.Background(), o.content)
	}
	return checkBuiltin(o, namespaces)
}
