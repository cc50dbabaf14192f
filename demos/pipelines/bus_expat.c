/*
 * bus_expat.c - event dispatch (2): the same bus filter, unchanged, behind libexpat's callbacks
 * Needs: libexpat
 *
 * Callbacks that only send are all that a C library with callbacks needs; what follows is straight-line code again.
 */
#include "bus.h"
#include <expat.h>
#include <stdio.h>
#include <string.h>

static void XMLCALL on_start(void *target, const XML_Char *name, const XML_Char **attributes)
{
	struct event e = { EVENT_START, name, 0 };

	(void)attributes;
	grove_gen_send(target, &e, NULL);
}

static void XMLCALL on_text(void *target, const XML_Char *text, int length)
{
	struct event e = { EVENT_TEXT, text, length };

	grove_gen_send(target, &e, NULL);
}

static void XMLCALL on_end(void *target, const XML_Char *name)
{
	struct event e = { EVENT_END, name, 0 };

	grove_gen_send(target, &e, NULL);
}

int main(void)
{
	grove_generator *filter = bus_filter_new();
	XML_Parser parser = XML_ParserCreate(NULL);
	int left = (int)strlen(bus_xml);

	XML_SetUserData(parser, filter);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	for (const char *at = bus_xml; left > 0; at += BUS_PIECE, left -= BUS_PIECE)
		if (XML_Parse(parser, at, left < BUS_PIECE ? left : BUS_PIECE, left <= BUS_PIECE) == XML_STATUS_ERROR)
			printf("%s\n", XML_ErrorString(XML_GetErrorCode(parser)));
	XML_ParserFree(parser);
	bus_filter_free(filter);
	return 0;
}
