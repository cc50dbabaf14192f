/*
 * local.c - greenlet-local values, and inherited variables
 *
 *	grove_greenlet.locals --> struct locals: slot[local->index] --> struct value <-- in the ring local->values
 *	grove_greenlet.context --> struct context, shared by all who have set nothing since they inherited it; who sets something makes a
 *		copy, unless nobody else has it
 */
#include "greenlet.h"
#include <grove/local.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_MAGIC	0x67724101u
#define VAR_MAGIC	0x67724102u
#define VARS_MAGIC	0x67724103u
#define TOKEN_MAGIC	0x67724104u
#define ROUNDS		4		/* PTHREAD_DESTRUCTOR_ITERATIONS */

struct grove_local {
	uint32_t magic;
	size_t index;
	void (*destroy)(void *);
	struct gr_list values;
};

struct value {
	struct gr_list link;
	struct grove_greenlet *rec;
	grove_local *local;
	void *value;
};

struct locals {
	size_t n;
	struct value *slot[];
};

/* Those in use, by index */
static struct {
	grove_local **table;
	size_t n;
} locals;

/* --- locals ------------------------------------------------------------------------------------------------------------------------- */

static bool is_local(const grove_local *l)
{
	return l && l->magic == LOCAL_MAGIC;
}

/* The lowest index that is free, or (size_t)-1 */
static size_t find_index(void)
{
	grove_local **more;

	for (size_t i = 0; i < locals.n; i++)
		if (!locals.table[i])
			return i;
	more = realloc(locals.table, (locals.n + 1) * sizeof(*more));
	if (!more)
		return (size_t)-1;
	locals.table = more;
	more[locals.n] = NULL;
	return locals.n++;
}

grove_local *grove_local_new(void (*destroy)(void *))
{
	grove_local *l;
	size_t index;

	GR_ANYWHERE((grove_local *)NULL, grove_local_new, destroy);
	index = find_index();
	l = index == (size_t)-1 ? NULL : malloc(sizeof(*l));
	if (!l)
		return NULL;
	*l = (grove_local){ .magic = LOCAL_MAGIC, .index = index, .destroy = destroy };
	gr_list_init(&l->values);
	locals.table[index] = l;
	return l;
}

void *grove_local_get(const grove_local *l)
{
	struct grove_greenlet *rec;
	struct locals *mine;

	if (GR_UNLIKELY(!is_local(l)))
		return gr_fails_null(EINVAL);
	if (GR_UNLIKELY(!gr_here()))
		return gr_fails_null(EPERM);
	rec = gr_carrier()->current->api;
	mine = rec ? rec->locals : NULL;
	return mine && l->index < mine->n && mine->slot[l->index] ? mine->slot[l->index]->value : NULL;
}

/* A pthread of the program's ends without us: libc is to call. */
static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

static void end_of_pthread(void *rec)
{
	gr_locals_end(rec);
}

static void make_end_key(void)
{
	pthread_key_create(&end_key, end_of_pthread);
}

static void tell_of_end(struct grove_greenlet *rec)
{
	if (GR_LIKELY(rec->worker != NULL))
		return;
	pthread_once(&end_key_once, make_end_key);
	pthread_setspecific(end_key, rec);
}

/* Room for slot @index.  0 or -1. */
static int grow(struct grove_greenlet *rec, size_t index)
{
	struct locals *mine = rec->locals;
	size_t n = mine ? mine->n : 0;

	if (index < n)
		return 0;
	mine = realloc(mine, sizeof(*mine) + (index + 1) * sizeof(mine->slot[0]));
	if (!mine)
		return -1;
	memset(&mine->slot[n], 0, (index + 1 - n) * sizeof(mine->slot[0]));
	mine->n = index + 1;
	rec->locals = mine;
	tell_of_end(rec);
	return 0;
}

/* Take @v out of its greenlet and its local; returns what it was, and @v is free. */
static void *take_out(struct value *v)
{
	struct locals *its = v->rec->locals;
	void *value = v->value;

	its->slot[v->local->index] = NULL;
	gr_list_del(&v->link);
	free(v);
	return value;
}

static int add_value(struct grove_greenlet *rec, grove_local *l, void *value)
{
	struct value *v = grow(rec, l->index) == 0 ? malloc(sizeof(*v)) : NULL;

	if (!v)
		return -1;
	*v = (struct value){ .rec = rec, .local = l, .value = value };
	((struct locals *)rec->locals)->slot[l->index] = v;
	gr_list_push(&l->values, &v->link);
	return 0;
}

int grove_local_set(grove_local *l, void *value)
{
	struct grove_greenlet *rec;
	struct locals *mine;
	struct value *v;

	if (!is_local(l))
		return gr_fails(EINVAL);
	if (!gr_here())
		return gr_fails(EPERM);
	rec = gr_self();
	if (!rec)
		return -1;
	mine = rec->locals;
	v = mine && l->index < mine->n ? mine->slot[l->index] : NULL;
	if (v && value)
		v->value = value;
	else if (v)
		take_out(v);
	else if (value)
		return add_value(rec, l, value);
	return 0;
}

int grove_local_free(grove_local *l)
{
	if (!l)
		return 0;
	GR_ANYWHERE(-1, grove_local_free, l);
	if (!is_local(l))
		return gr_fails(EINVAL);
	while (!gr_list_empty(&l->values)) {
		void *value = take_out(gr_list_first(&l->values, struct value, link));

		if (l->destroy)
			l->destroy(value);
	}
	locals.table[l->index] = NULL;
	l->magic = 0;
	free(l);
	return 0;
}

/* True: there were some.  A destructor may set others, which moves the slots. */
static bool destroy_values(struct grove_greenlet *rec)
{
	bool some = false;

	for (size_t i = 0; i < ((struct locals *)rec->locals)->n; i++) {
		struct value *v = ((struct locals *)rec->locals)->slot[i];
		void (*destroy)(void *) = v ? v->local->destroy : NULL;
		void *value = v ? take_out(v) : NULL;

		if (destroy)
			destroy(value);
		some |= v != NULL;
	}
	return some;
}

static void end_locals(struct grove_greenlet *rec)
{
	struct locals *mine;

	for (int i = 0; i < ROUNDS && destroy_values(rec); i++)
		;
	mine = rec->locals;
	for (size_t i = 0; i < mine->n; i++)
		if (mine->slot[i])
			take_out(mine->slot[i]);
	rec->locals = NULL;
	free(mine);
}

/* --- variables ------------------------------------------------------------------------------------------------------------------------- */

struct grove_var {
	uint32_t magic;
	uint64_t id;			/* never used twice: values of a variable that is no more are found by nobody */
	void *usual;
	char name[];
};

struct binding {
	uint64_t id;
	void *value;
};

struct context {
	uint32_t refs;
	size_t n;
	struct context *next;		/* in .garbage */
	struct binding binding[];
};

struct grove_vars {
	uint32_t magic;
	bool runs;
	struct context *context;	/* NULL: nothing is set */
};

/* In struct grove_token */
struct token {
	uint32_t magic;			/* 0: used */
	bool was_set;
	uint64_t id, greenlet;
	void *value;
};
_Static_assert(sizeof(struct token) <= sizeof(struct grove_token), "the opaque part must have room");

static uint64_t last_var;
static struct context *garbage;		/* the last reference went where free() must not be called */

static void unref(struct context *x)
{
	if (x && --x->refs == 0)
		free(x);
}

static void collect_garbage(void)
{
	struct context *x;

	while ((x = garbage)) {
		garbage = x->next;
		free(x);
	}
}

static struct binding *find(struct context *x, uint64_t id)
{
	for (size_t i = 0; x && i < x->n; i++)
		if (x->binding[i].id == id)
			return &x->binding[i];
	return NULL;
}

/* One that nobody else has, like @x, with room for one binding more */
static struct context *own(struct context *x)
{
	size_t n = x ? x->n : 0;
	struct context *mine;

	if (x && x->refs == 1)
		return realloc(x, sizeof(*x) + (n + 1) * sizeof(x->binding[0]));
	mine = malloc(sizeof(*mine) + (n + 1) * sizeof(mine->binding[0]));
	if (!mine)
		return NULL;
	mine->refs = 1;
	mine->n = n;
	if (n)
		memcpy(mine->binding, x->binding, n * sizeof(x->binding[0]));
	unref(x);
	return mine;
}

/* @set: to @value; or take it out.  0 or -1. */
static int bind(struct grove_greenlet *rec, uint64_t id, bool set, void *value)
{
	struct context *mine = own(rec->context);
	struct binding *b;

	if (!mine)
		return -1;
	rec->context = mine;
	tell_of_end(rec);
	collect_garbage();
	b = find(mine, id);
	if (!set && b)
		*b = mine->binding[--mine->n];
	else if (set && b)
		b->value = value;
	else if (set)
		mine->binding[mine->n++] = (struct binding){ id, value };
	return 0;
}

static bool is_var(const grove_var *var)
{
	return var && var->magic == VAR_MAGIC;
}

grove_var *grove_var_new(const char *name, void *usual)
{
	size_t len = name ? strlen(name) : 0;
	grove_var *var;

	GR_ANYWHERE((grove_var *)NULL, grove_var_new, name, usual);
	var = malloc(sizeof(*var) + len + 1);
	if (!var)
		return NULL;
	*var = (grove_var){ .magic = VAR_MAGIC, .id = ++last_var, .usual = usual };
	memcpy(var->name, name ? name : "", len + 1);
	return var;
}

void *grove_var_get(const grove_var *var)
{
	struct grove_greenlet *rec;
	struct binding *b;

	if (!is_var(var))
		return gr_fails_null(EINVAL);
	rec = gr_here() ? gr_carrier()->current->api : NULL;
	b = rec ? find(rec->context, var->id) : NULL;
	return b ? b->value : var->usual;
}

int grove_var_set(grove_var *var, void *value, struct grove_token *ret_token)
{
	struct grove_greenlet *rec;
	struct token token;
	struct binding *b;

	if (!is_var(var))
		return gr_fails(EINVAL);
	if (!gr_here())
		return gr_fails(EPERM);
	rec = gr_self();
	if (!rec)
		return -1;
	b = find(rec->context, var->id);
	token = (struct token){ TOKEN_MAGIC, b != NULL, var->id, rec->id, b ? b->value : NULL };
	if (bind(rec, var->id, true, value) < 0)
		return -1;
	if (ret_token)
		memcpy(ret_token, &token, sizeof(token));
	return 0;
}

int grove_var_reset(grove_var *var, struct grove_token *ret_token)
{
	struct token *token = (struct token *)ret_token;
	struct grove_greenlet *rec;

	if (!is_var(var) || !token)
		return gr_fails(EINVAL);
	if (!gr_here())
		return gr_fails(EPERM);
	rec = gr_self();
	if (!rec)
		return -1;
	if (token->id != var->id || token->greenlet != rec->id)
		return gr_fails(EINVAL);
	if (token->magic != TOKEN_MAGIC)
		return gr_fails(ESRCH);
	if (bind(rec, var->id, token->was_set, token->value) < 0)
		return -1;
	token->magic = 0;
	return 0;
}

const char *grove_var_name(const grove_var *var)
{
	return is_var(var) && var->name[0] ? var->name : NULL;
}

int grove_var_free(grove_var *var)
{
	if (!var)
		return 0;
	if (!is_var(var))
		return gr_fails(EINVAL);
	var->magic = 0;
	free(var);
	return 0;
}

grove_vars *grove_vars_copy(void)
{
	struct grove_greenlet *rec;
	grove_vars *vars;

	if (!gr_here())
		return gr_fails_null(EPERM);
	rec = gr_self();
	vars = rec ? malloc(sizeof(*vars)) : NULL;
	if (!vars)
		return NULL;
	*vars = (grove_vars){ .magic = VARS_MAGIC, .context = rec->context };
	if (vars->context)
		vars->context->refs++;
	return vars;
}

/* While grove_vars_run() runs: whose variables they were, however it ends */
struct exchange {
	struct grove_greenlet *rec;
	grove_vars *vars;
	struct context *outer;
};

static void change_back(struct exchange *x)
{
	x->vars->context = x->rec->context;
	x->rec->context = x->outer;
	x->vars->runs = false;
}

int grove_vars_run(grove_vars *vars, grove_fn *fn, void *arg, void **ret_value)
{
	struct grove_greenlet *rec;
	void *value;

	if (!vars || vars->magic != VARS_MAGIC || !fn)
		return gr_fails(EINVAL);
	if (!gr_here())
		return gr_fails(EPERM);
	if (vars->runs)
		return gr_fails(EBUSY);
	rec = gr_self();
	if (!rec)
		return -1;
	{
		struct exchange x __attribute__((cleanup(change_back), unused)) = { rec, vars, rec->context };

		vars->runs = true;
		rec->context = vars->context;
		value = fn(arg);
	}
	if (ret_value)
		*ret_value = value;
	return 0;
}

int grove_vars_free(grove_vars *vars)
{
	if (!vars)
		return 0;
	GR_ANYWHERE(-1, grove_vars_free, vars);
	if (vars->magic != VARS_MAGIC)
		return gr_fails(EINVAL);
	if (vars->runs)
		return gr_fails(EBUSY);
	unref(vars->context);
	vars->magic = 0;
	free(vars);
	return 0;
}

/* --- with greenlets ----------------------------------------------------------------------------------------------------------------------- */

void gr_locals_inherit(struct grove_greenlet *rec)
{
	struct grove_greenlet *me = gr_carrier()->current->api;

	if (!me || !me->context)
		return;
	rec->context = me->context;
	((struct context *)rec->context)->refs++;
}

void gr_locals_drop(struct grove_greenlet *rec)
{
	struct context *x = rec->context;

	rec->context = NULL;
	if (!x || --x->refs)
		return;
	x->next = garbage;
	garbage = x;
}

void gr_locals_end(struct grove_greenlet *rec)
{
	if (rec->locals)
		end_locals(rec);
	unref(rec->context);
	rec->context = NULL;
}
