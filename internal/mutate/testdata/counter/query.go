package counter

const query = `select word from words where n >= @least and n < @most order by n limit 1`
