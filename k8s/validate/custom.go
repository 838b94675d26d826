package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	sigsyaml "sigs.k8s.io/yaml"
)

// definitions are the custom resources that are known, by kind.
type definitions map[schema.GroupVersionKind]definition

type definition struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
}

func readDefinitions(folders []string) (definitions, error) {
	found := definitions{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := found.read(file); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return found, nil
}

func (d definitions) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// Installation bundles hold other kinds too, a document each.
	for _, document := range strings.Split(string(text), "\n---\n") {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := sigsyaml.Unmarshal([]byte(document), &crd); err != nil {
			return err
		}
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		for _, version := range crd.Spec.Versions {
			if !version.Served || version.Schema == nil {
				continue
			}
			definition, err := newDefinition(version.Schema)
			if err != nil {
				return err
			}
			d[schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}] = definition
		}
	}
	return nil
}

func newDefinition(versioned *apiextensionsv1.CustomResourceValidation) (definition, error) {
	var internal apiextensions.CustomResourceValidation
	err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(versioned, &internal, nil)
	if err != nil {
		return definition{}, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return definition{}, err
	}
	validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	return definition{structural: structural, validator: validator}, err
}

// check does what the API server does with a custom resource: unknown fields, defaults, the
// schema, and the rules in CEL.
func (d definition) check(ctx context.Context, o *unstructured.Unstructured) []error {
	var problems []error
	unknown := pruning.PruneWithOptions(o.Object, d.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		problems = append(problems, fmt.Errorf("unknown field %q", path))
	}
	if o.GetNamespace() == "" {
		problems = append(problems, errors.New("metadata.namespace is missing"))
	}
	defaulting.Default(o.Object, d.structural)
	for _, err := range validation.ValidateCustomResource(nil, o.Object, d.validator) {
		problems = append(problems, err)
	}
	if rules := cel.NewValidator(d.structural, true, celconfig.PerCallLimit); rules != nil {
		errs, _ := rules.Validate(ctx, nil, d.structural, o.Object, nil, celconfig.RuntimeCELCostBudget)
		for _, err := range errs {
			problems = append(problems, err)
		}
	}
	return problems
}
