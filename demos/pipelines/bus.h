/*
 * bus.h - a filter for a transit authority's bus locations, as coroutines: events of an XML parser in, a line for each bus wanted out
 *
 *	any parser --event--> buses_to_records --record--> filter_on_field --> filter_on_field --> bus_locations
 *
 * It does not know what makes the events.  (After D. Beazley, "A Curious Course on Coroutines and Concurrency".)
 */
#ifndef BUS_H
#define BUS_H

#include <grove.h>

struct event {
	enum { EVENT_START, EVENT_TEXT, EVENT_END } kind;
	const char *text;		/* the tag's name; or characters, */
	int length;			/* this many */
};

/* Where parsers send events to: northbound buses of route 22.  NULL: no memory. */
grove_generator *bus_filter_new(void);
void bus_filter_free(grove_generator *filter);

/* What is parsed, and in how small pieces it comes */
extern const char bus_xml[];
#define BUS_PIECE 7

#endif
