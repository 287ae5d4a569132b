package mutate

import (
	"fmt"
	"go/ast"
	"go/types"
	"hash/fnv"
	"iter"
	"strings"
)

// values changes values that are passed on: each as its type allows.
func (f *finder) values(exprs ...ast.Expr) {
	for _, e := range exprs {
		tv := f.code.info.Types[e]
		if _, ok := e.(*ast.FuncLit); ok || tv.Type == nil || tv.Value != nil || !tv.IsValue() {
			continue
		}
		for _, text := range changes(tv.Type) {
			f.replace(e, text)
		}
		f.fields(e, tv.Type, "mutWith")
	}
}

// changes returns what a value of a type is replaced with. "$" is the value.
func changes(t types.Type) []string {
	switch nameOfType(t) {
	case "webhook.State": // there are four, none of them with capitals or spaces
		return []string{"mutZero($)"}
	case "time.Time":
		return []string{"mutSecond($)", "mutLater($)", "mutZone($)", "mutInt32($)", "mutZero($)"}
	case "context.Context":
		return []string{"context.Background()"}
	case "error":
		return []string{"mutZero($)", "mutErr"}
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case u.Info()&types.IsString != 0:
			return []string{"mutLower($)", "mutTrim($)", "mutCut($)", `mutZero($)`}
		case u.Info()&types.IsBoolean != 0:
			return []string{"!($)"}
		case u.Info()&types.IsInteger != 0:
			return []string{"($ + 1)", "($ - 1)", "mutZero($)"}
		}
	case *types.Slice:
		if basic, ok := u.Elem().(*types.Basic); ok && basic.Kind() == types.Byte {
			return []string{"mutText($)", "mutSpace($)", "mutMost($)", "mutFewer($)", "mutZero($)"}
		}
		return []string{"mutFewer($)", "mutFirst($)", "mutMost($)", "mutBack($)", "mutZero($)"}
	case *types.Map:
		return []string{"mutLess($)", "mutZero($)"}
	case *types.Pointer:
		return []string{"mutZero($)"}
	}
	return nil
}

// nameOfType returns a type's name, behind that of its package.
func nameOfType(t types.Type) string {
	return types.TypeString(t, (*types.Package).Name)
}

// document changes one field at a time of what is passed as a document: a pointer, to a
// parameter of any type.
func (f *finder) document(e ast.Expr, param types.Type) {
	p, ok := f.code.info.TypeOf(e).(*types.Pointer)
	if i, isInterface := param.Underlying().(*types.Interface); ok && isInterface && i.Empty() {
		f.fields(e, p.Elem(), "mutPointed")
	}
}

// documents are the structs that are stored.
var documents = map[string]bool{"Delivery": true, "OutboxDelivery": true, "Webhook": true, "Attempt": true, "delivery": true}

// fields changes one field at a time of a struct.
func (f *finder) fields(e ast.Expr, t types.Type, helper string) {
	s, ok := t.Underlying().(*types.Struct)
	if named, isNamed := t.(*types.Named); !ok || !isNamed || !documents[named.Obj().Name()] {
		return
	}
	name := types.TypeString(t, func(p *types.Package) string {
		if p == f.code.pkg {
			return ""
		}
		return p.Name()
	})
	for field := range exported(s) {
		texts := changes(field.Type())
		if len(texts) == 0 {
			continue
		}
		pick := fnv.New32()
		fmt.Fprint(pick, f.fn.Name.Name, f.text(e), field.Name())
		v := "v." + field.Name()
		text := strings.ReplaceAll(texts[int(pick.Sum32())%len(texts)], "$", v)
		f.replace(e, fmt.Sprintf("%s($, func(v *%s) { %s = %s })", helper, name, v, text))
	}
}

// exported yields the exported fields of a struct, those of embedded structs too.
func exported(s *types.Struct) iter.Seq[*types.Var] {
	return func(yield func(*types.Var) bool) {
		for field := range s.Fields() {
			if embedded, ok := field.Type().Underlying().(*types.Struct); ok && field.Embedded() {
				for inner := range exported(embedded) {
					if !yield(inner) {
						return
					}
				}
			} else if field.Exported() && !yield(field) {
				return
			}
		}
	}
}
