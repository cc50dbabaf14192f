/*
 * bus.c - the bus filter; see bus.h
 */
#include "bus.h"
#include <stdio.h>
#include <string.h>

#define FIELDS 8

const char bus_xml[] =
	"<buses>\n"
	"  <bus><id>7574</id><route>147</route><direction>North Bound</direction><latitude>41.925682</latitude></bus>\n"
	"  <bus><id>1408</id><route>22</route><direction>North Bound</direction><latitude>41.880481</latitude></bus>\n"
	"  <bus><id>1725</id><route>22</route><direction>South Bound</direction><latitude>41.981345</latitude></bus>\n"
	"  <bus><id>8126</id><route>22</route><direction>North Bound</direction><latitude>42.008702</latitude></bus>\n"
	"</buses>\n";

struct record {
	int n;
	struct {
		char name[24], value[40];
	} field[FIELDS];
};

static const char *field(const struct record *r, const char *name)
{
	for (int i = 0; i < r->n; i++)
		if (strcmp(r->field[i].name, name) == 0)
			return r->field[i].value;
	return "";
}

/* One field, from behind its start tag to its end tag */
static void collect_field(struct record *r, const char *name)
{
	int at = r->n < FIELDS ? r->n++ : FIELDS - 1;
	struct event *e;
	size_t used = 0;

	snprintf(r->field[at].name, sizeof(r->field[at].name), "%s", name);
	r->field[at].value[0] = '\0';
	while ((e = grove_gen_yield(NULL)) && e->kind != EVENT_END)
		if (e->kind == EVENT_TEXT && used + (size_t)e->length < sizeof(r->field[at].value)) {
			memcpy(r->field[at].value + used, e->text, (size_t)e->length);
			used += (size_t)e->length;
			r->field[at].value[used] = '\0';
		}
}

/* What would be a state machine with callbacks is a loop in a loop. */
static void *buses_to_records(void *target)
{
	struct event *e;

	while ((e = grove_gen_yield(NULL))) {
		struct record r = { .n = 0 };

		if (e->kind != EVENT_START || strcmp(e->text, "bus") != 0)
			continue;
		while ((e = grove_gen_yield(NULL)) && e->kind != EVENT_END)
			if (e->kind == EVENT_START)
				collect_field(&r, e->text);
		if (e)
			grove_gen_send(target, &r, NULL);
	}
	return NULL;
}

struct filter {
	const char *name, *value;
	grove_generator *target;
};

static void *filter_on_field(void *arg)
{
	struct filter *f = arg;
	struct record *r;

	while ((r = grove_gen_yield(NULL)))
		if (strcmp(field(r, f->name), f->value) == 0)
			grove_gen_send(f->target, r, NULL);
	return NULL;
}

static void *bus_locations(void *arg)
{
	struct record *r;

	while ((r = grove_gen_yield(NULL)))
		printf("%s, %s, \"%s\", %s\n", field(r, "route"), field(r, "id"), field(r, "direction"), field(r, "latitude"));
	return arg;
}

/* From the last to the first */
static grove_generator *chain[4];

grove_generator *bus_filter_new(void)
{
	static struct filter route = { .name = "route", .value = "22" }, direction = { .name = "direction", .value = "North Bound" };

	chain[0] = grove_coroutine_new(bus_locations, NULL);
	direction.target = chain[0];
	chain[1] = grove_coroutine_new(filter_on_field, &direction);
	route.target = chain[1];
	chain[2] = grove_coroutine_new(filter_on_field, &route);
	chain[3] = grove_coroutine_new(buses_to_records, chain[2]);
	return chain[0] && chain[1] && chain[2] ? chain[3] : NULL;
}

void bus_filter_free(grove_generator *filter)
{
	(void)filter;
	for (int i = 3; i >= 0; i--)
		grove_generator_free(chain[i]);
}
