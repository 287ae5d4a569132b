package packed

// dictionary1 is what bodies of version 1 are packed with: the keys of bodies in both
// formats of forms and in JSON, in the order in which they stand there, and what is
// often their value. It must not change, since stored bodies refer to it. A better one
// is another version.
const dictionary1 = `{"type":"open","date_time":"2026-01-02T09:28:42.000Z","initiated_from":"public","initiated_by":"public","lists":["1"],` +
	`"contact":{"id":"1","email":"@example.com","first_name":"","last_name":"","ip":"","phone":"","orgname":"","tags":[],` +
	`"customer_acct_name":"","fields":{"1":""}},"campaign":{"id":"1","name":"","type":"single","status":"","recipients":0,` +
	`"message":{"id":"","subject":""}},"link":{"url":"https://www."},"bounce":{"type":"hard","code":"5.1.1","description":""},` +
	`"unsubscribe":{"reason":""},"orgname":"","customer_acct_name":"","customer_acct_id":""}` +
	`subscriber%5Bid%5D=1&subscriber%5Bemail%5D=&subscriber%5Bfirst_name%5D=&subscriber%5Blast_name%5D=&subscriber%5Bip%5D=` +
	`&subscriber%5Bfields%5D%5B1%5D=&subscriber%5Bfields%5D%5B2%5D=&campaign%5Bid%5D=1&campaign%5Bname%5D=&campaign%5Btype%5D=single` +
	`&bounce%5Btype%5D=hard&bounce%5Bcode%5D=5.1.1&bounce%5Bdescription%5D=&unsubscribe%5Breason%5D=&share%5Bnetwork%5D=facebook` +
	`&share%5Bcontent%5D=&forward%5Bemail%5D=&link%5Burl%5D=https%3A%2F%2Fwww.&click%5Burl%5D=http%3A%2F%2F` +
	`type=unsubscribe&type=subscribe&type=update&type=click&type=sent&type=open&date_time=2026-01-02T09%3A28%3A42%2B00%3A00` +
	`&initiated_from=system&initiated_by=system&initiated_from=admin&initiated_by=admin&initiated_from=api&initiated_by=api` +
	`&initiated_from=public&initiated_by=public&list=1&contact%5Bid%5D=1&contact%5Bemail%5D=%40gmail.com%40example.com` +
	`&contact%5Bfirst_name%5D=&contact%5Blast_name%5D=&contact%5Bip%5D=&contact%5Bphone%5D=&contact%5Borgname%5D=` +
	`&contact%5Btags%5D=&contact%5Bcustomer_acct_name%5D=&contact%5Bfields%5D%5B1%5D=&contact%5Bfields%5D%5B2%5D=` +
	`&campaign%5Bid%5D=1&campaign%5Bname%5D=&campaign%5Btype%5D=single&campaign%5Bstatus%5D=&campaign%5Brecipients%5D=` +
	`&campaign%5Bmessage%5D%5Bid%5D=1&campaign%5Bmessage%5D%5Bsubject%5D=&orgname=&customer_acct_name=&customer_acct_id=`
