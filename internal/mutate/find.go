package mutate

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// An edit replaces a part of a file's text.
type edit struct {
	from, to token.Pos
	text     string
}

// A finder finds the mutants of a function.
type finder struct {
	code *code
	file *file
	fn   *ast.FuncDecl
	add  func(edit)
}

// find adds each edit of the function that may be a mutant. Some do not compile.
func (f *finder) find() {
	ast.PreorderStack(f.fn.Body, nil, func(n ast.Node, stack []ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			f.statements(n.List, f.results(stack))
		case *ast.CaseClause:
			f.statements(n.Body, f.results(stack))
			f.conditions(n.List...)
		case *ast.IfStmt:
			f.initial(n.Init)
			f.conditions(n.Cond)
		case *ast.ForStmt:
			f.initial(n.Post)
			f.conditions(n.Cond)
			f.once(n.Body)
		case *ast.RangeStmt:
			f.values(n.X)
			f.once(n.Body)
		case *ast.ReturnStmt:
			f.values(n.Results...)
		case *ast.AssignStmt:
			f.values(n.Rhs...)
			f.swapToken(n.TokPos, n.Tok)
		case *ast.IncDecStmt:
			f.swapToken(n.TokPos, n.Tok)
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.CallExpr:
			f.call(n)
		case *ast.KeyValueExpr:
			f.values(n.Value)
		case *ast.IndexExpr:
			f.values(n.Index)
		case *ast.CompositeLit:
			f.values(n.Elts...)
		case *ast.BasicLit:
			f.literal(n)
		}
		return true
	})
}

// replace adds an edit of a node. "$" in the text is the node's own text.
func (f *finder) replace(n ast.Node, text string) {
	f.add(edit{n.Pos(), n.End(), strings.ReplaceAll(text, "$", f.text(n))})
}

// text returns the text of a node.
func (f *finder) text(n ast.Node) string {
	return f.file.src[f.code.fset.Position(n.Pos()).Offset:f.code.fset.Position(n.End()).Offset]
}

// results returns the text that returns zero values from the function that a node with
// this stack is in.
func (f *finder) results(stack []ast.Node) string {
	fn := f.fn.Type
	for _, n := range stack {
		if lit, ok := n.(*ast.FuncLit); ok {
			fn = lit.Type
		}
	}
	var zeros []string
	if fn.Results != nil {
		for _, field := range fn.Results.List {
			if len(field.Names) > 0 {
				return "return"
			}
			zeros = append(zeros, "*new("+f.text(field.Type)+")")
		}
	}
	return "return " + strings.Join(zeros, ", ")
}

// statements drops each statement of a list, swaps it with the next one, and returns
// before it.
func (f *finder) statements(list []ast.Stmt, results string) {
	for i, s := range list {
		switch s.(type) {
		case *ast.CaseClause, *ast.CommClause:
			return // s is the body of a switch
		case *ast.ReturnStmt:
		default:
			f.add(edit{s.Pos(), s.Pos(), results + "; "})
		}
		if !simple(s) {
			continue
		}
		f.replace(s, "")
		switch s := s.(type) {
		case *ast.DeferStmt:
			f.replace(s, f.text(s.Call)) // at once
		case *ast.BranchStmt:
			if s.Label == nil {
				f.replace(s, map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[s.Tok])
			}
		}
		if i+1 < len(list) && simple(list[i+1]) && !(assigns(s) && assigns(list[i+1])) {
			next := list[i+1]
			f.add(edit{s.Pos(), next.End(), f.text(next) + "; " + f.text(s)})
		}
	}
}

// simple reports whether a statement can be dropped without changing what others declare.
func simple(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt, *ast.BranchStmt:
		return true
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	}
	return false
}

// assigns reports whether a statement only assigns. Two that do can mostly change places.
func assigns(s ast.Stmt) bool {
	_, ok := s.(*ast.AssignStmt)
	return ok
}

// initial drops the first statement of an if, or the last of a for.
func (f *finder) initial(s ast.Stmt) {
	if s != nil && simple(s) {
		f.replace(s, "")
	}
}

// once ends a loop after its first turn.
func (f *finder) once(body *ast.BlockStmt) {
	if n := len(body.List); n > 0 {
		switch body.List[n-1].(type) {
		case *ast.ReturnStmt, *ast.BranchStmt:
			return // it is not reached
		}
	}
	f.add(edit{body.Rbrace, body.Rbrace, "; break "})
}

// conditions negates conditions, and makes each of them always true, and always false.
func (f *finder) conditions(conds ...ast.Expr) {
	for _, c := range conds {
		if c != nil && f.isBool(c) {
			f.replace(c, "!($)")
			f.replace(c, "true")
			f.replace(c, "false")
		}
	}
}

func (f *finder) isBool(e ast.Expr) bool {
	t := f.code.info.TypeOf(e)
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsBoolean != 0
}

// tokens are the operators that replace each.
var tokens = map[token.Token][]string{
	token.LSS: {"<=", ">"}, token.LEQ: {"<", ">="}, token.GTR: {">=", "<"}, token.GEQ: {">", "<="},
	token.EQL: {"!="}, token.NEQ: {"=="}, token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.SHL: {">>"},
	token.INC: {"--"}, token.DEC: {"++"}, token.ADD_ASSIGN: {"-="}, token.SUB_ASSIGN: {"+="},
}

// swapToken replaces an operator.
func (f *finder) swapToken(at token.Pos, op token.Token) {
	for _, other := range tokens[op] {
		f.add(edit{at, at + token.Pos(len(op.String())), other})
	}
}

func (f *finder) binary(n *ast.BinaryExpr) {
	f.swapToken(n.OpPos, n.Op)
	switch n.Op {
	case token.LAND:
		f.dropOperand(n, "true")
	case token.LOR:
		f.dropOperand(n, "false")
	default:
		f.values(n.X, n.Y)
	}
}

// dropOperand makes each side of n the value that leaves the other one to decide.
func (f *finder) dropOperand(n *ast.BinaryExpr, neutral string) {
	for _, side := range []ast.Expr{n.X, n.Y} {
		f.replace(side, neutral)
		f.replace(side, "!($)")
	}
}

// methods are those that replace each.
var methods = map[string][]string{
	"After": {"Before"}, "Before": {"After"}, "Next": {"Prev"}, "Prev": {"Next"}, "First": {"Last"}, "Last": {"First"},
	"ascend": {"descend"}, "descend": {"ascend"}, "insert": {"delete"}, "delete": {"insert"}, "HasPrefix": {"HasSuffix"},
	"min": {"max"}, "max": {"min"},
}

func (f *finder) call(n *ast.CallExpr) {
	f.values(n.Args...)
	var name *ast.Ident
	switch fun := n.Fun.(type) {
	case *ast.Ident:
		name = fun
	case *ast.SelectorExpr:
		name = fun.Sel
		f.method(n, fun)
	default:
		return
	}
	for _, other := range methods[name.Name] {
		f.replace(name, other)
	}
	for i := range n.Args {
		if i+1 < len(n.Args) && types.Identical(f.code.info.TypeOf(n.Args[i]), f.code.info.TypeOf(n.Args[i+1])) {
			f.add(edit{n.Args[i].Pos(), n.Args[i+1].End(), f.text(n.Args[i+1]) + ", " + f.text(n.Args[i])})
		}
	}
	t, ok := f.code.info.TypeOf(n.Fun).(*types.Signature)
	if !ok {
		return
	}
	for i := range min(len(n.Args), t.Params().Len()) {
		f.document(n.Args[i], t.Params().At(i).Type())
	}
	if t.Variadic() && len(n.Args) > t.Params().Len() {
		for i := t.Params().Len(); i < len(n.Args); i++ {
			f.add(edit{n.Args[i-1].End(), n.Args[i].End(), ""})
		}
		f.add(edit{n.Args[0].Pos(), n.Args[1].Pos(), ""})
	}
}

// method adds mutants of a call of a method with one argument of the receiver's type.
func (f *finder) method(n *ast.CallExpr, fun *ast.SelectorExpr) {
	if len(n.Args) != 1 {
		return
	}
	switch fun.Sel.Name {
	case "Compare":
		f.replace(n, fmt.Sprintf("%s.Compare(%s)", f.text(n.Args[0]), f.text(fun.X)))
	case "After", "Before": // at the same time too
		other := methods[fun.Sel.Name][0]
		f.replace(n, fmt.Sprintf("!%s.%s(%s)", f.text(fun.X), other, f.text(n.Args[0])))
	}
}

// literal changes a constant.
func (f *finder) literal(n *ast.BasicLit) {
	switch n.Kind {
	case token.INT:
		f.replace(n, "($ + 1)")
		f.replace(n, "($ - 1)")
	case token.STRING:
		f.replace(n, `""`)
	}
}
