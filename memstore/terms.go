package memstore

// index makes d found by its terms.
func (s *Store) index(d *delivery) {
	for _, term := range d.Terms() {
		set := s.found[term]
		if set == nil {
			set = &sortedSet[*delivery]{compare: byCreated}
			s.found[term] = set
		}
		set.insert(d)
	}
}

// unindex undoes index. d is as it was then, or a copy from then.
func (s *Store) unindex(d *delivery) {
	for _, term := range d.Terms() {
		set := s.found[term]
		set.delete(d)
		if _, ok := set.first(); !ok {
			delete(s.found, term)
		}
	}
}
