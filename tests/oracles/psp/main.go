// psp answers as the PodSecurityPolicy admission of Kubernetes 1.24.17 did: its own plugin and its own RBAC
// authorizer, after the API's defaulting and the ServiceAccount plugin.
//
//	psp [-user NAME] [-group NAME]... [-everyone] [-no-tokens] < CLUSTER.yaml
//	    CLUSTER.yaml is a stream of YAML documents: PodSecurityPolicies, Roles, ClusterRoles, their bindings,
//	    ServiceAccounts and Pods. Accounts, and the API server's own roles and bindings, are made where they aren't
//	    given. One line of JSON for each Pod, in order.
//	    -everyone: all may use every policy; -no-tokens: accounts that aren't given don't mount their token.
//	psp -batch < CLUSTERS.jsonl
//	    each line is {"objects": [...], "user": "", "groups": [], "everyone": false, "noTokens": false}, each answer
//	    {"pods": [...]}, or {"error": "..."} where the API server wouldn't have taken one of the other objects.
//	psp -validate < OBJECTS.yaml
//	    a line for each PodSecurityPolicy: {"name", "stored": as the API server keeps it, "errors": [...]}
//
// What is said of a Pod:
//
//	name, namespace
//	error      why it can't be read, or what an earlier admission plugin says; nothing else is said then
//	invalid    what the API's own validation refuses in the Pod before it is changed; words
//	created    {metadata, spec} as the PodSecurityPolicy admission saw it
//	tried      each policy of the cluster, by name: policy, usable (by this user and account), mutated,
//	           pod (if mutated, what it made of it), errors: [{type, path, value, detail, text}] in order,
//	           asItIs: the errors of the Pod without the changes
//	allowed    what the admission says, both passes together
//	policy     the chosen one
//	pod        what became of the Pod
//	message    the words of the refusal, of the whole API error
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/capabilities"
)

type names []string

func (n *names) String() string         { return fmt.Sprint(*n) }
func (n *names) Set(value string) error { *n = append(*n, value); return nil }

func main() {
	var asked Cluster
	var groups names
	batch := flag.Bool("batch", false, "a cluster for each line of JSON")
	validate := flag.Bool("validate", false, "what the API says of PodSecurityPolicies")
	flag.StringVar(&asked.User, "user", "", "who creates the pods")
	flag.Var(&groups, "group", "a group of who creates the pods, repeatable")
	flag.BoolVar(&asked.Everyone, "everyone", false, "all may use every policy")
	flag.BoolVar(&asked.NoTokens, "no-tokens", false, "accounts that aren't given don't mount their token")
	flag.Parse()
	asked.Groups = groups
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true}) // kube-apiserver --allow-privileged
	if err := run(asked, *batch, *validate); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(asked Cluster, batch, validate bool) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	if batch {
		return eachLine(os.Stdin, answers)
	}
	objects, err := documents(os.Stdin)
	if err != nil {
		return err
	}
	if validate {
		for _, object := range objects {
			if err := answers.Encode(validated(object)); err != nil {
				return err
			}
		}
		return nil
	}
	asked.Objects = objects
	answer := asked.answer()
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	for _, pod := range answer.Pods {
		if err := answers.Encode(pod); err != nil {
			return err
		}
	}
	return nil
}

func eachLine(lines io.Reader, answers *json.Encoder) error {
	decoder := json.NewDecoder(lines)
	for {
		var asked Cluster
		if err := decoder.Decode(&asked); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(asked.answer()); err != nil {
			return err
		}
	}
}

func documents(stream io.Reader) ([]json.RawMessage, error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(stream))
	var found []json.RawMessage
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		object, err := yaml.ToJSON(document)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(object, []byte("null")) {
			found = append(found, object)
		}
	}
}
