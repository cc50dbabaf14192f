/*
 * generator_cxx - generators and contexts in C++: exceptions that leave a body, destructors, catch blocks that are left open by a yield
 */
#include <grove.h>

#include <cstdio>
#include <exception>
#include <pthread.h>
#include <stdexcept>
#include <string>

namespace {

std::string said;
int failures;

struct Tells {
	const char *name;
	~Tells()
	{
		said += std::string("~") + name + " ";
	}
};

void expect(const char *what, const std::string &want)
{
	if (said != want) {
		std::printf("%s: said \"%s\", not \"%s\"\n", what, said.c_str(), want.c_str());
		failures++;
	}
	said.clear();
}

void *throws(void *arg)
{
	Tells body{"body"};

	grove_gen_yield(arg);
	throw std::runtime_error("from the body");
}

void *passes_on(void *arg)
{
	Tells wrapper{"wrapper"};

	grove_gen_yield_from(static_cast<grove_generator *>(arg), nullptr);
	return nullptr;
}

void an_exception_comes_out_in_the_consumer()
{
	char value;
	grove_generator *inner = grove_generator_new(throws, &value), *outer = grove_generator_new(passes_on, inner);

	try {
		Tells consumer{"consumer"};

		while (grove_gen_next(outer, nullptr) == 1)
			said += "value ";
	} catch (std::exception &e) {
		said += e.what();
	}
	if (std::uncaught_exceptions() != 0 || grove_gen_state(inner) != GROVE_GEN_CLOSED || grove_gen_state(outer) != GROVE_GEN_CLOSED)
		said += " and something is left";
	expect("an exception", "value ~body ~wrapper ~consumer from the body");
	grove_generator_free(outer);
	grove_generator_free(inner);
}

void *yields_while_it_catches(void *arg)
{
	try {
		throw 5;
	} catch (int) {
		grove_gen_yield(arg);
		try {
			throw;		/* our own, whatever others have caught meanwhile */
		} catch (int i) {
			said += std::to_string(i) + " ";
		}
	}
	return nullptr;
}

void catch_blocks_are_each_sides_own()
{
	char value;
	grove_generator *gen = grove_generator_new(yields_while_it_catches, &value);

	grove_gen_next(gen, nullptr);
	if (std::current_exception())
		said += "leaked ";
	try {
		throw std::runtime_error("mine");
	} catch (std::exception &) {
		grove_gen_next(gen, nullptr);
		try {
			throw;
		} catch (std::exception &e) {
			said += e.what();
		}
	}
	expect("catch blocks", "5 mine");
	grove_generator_free(gen);
}

void *will_not_end(void *arg)
{
	Tells body{"body"};

	for (;;)
		grove_gen_yield(arg);
}

void freeing_unwinds_the_body()
{
	char value;
	grove_generator *gen = grove_generator_new(will_not_end, &value);

	grove_gen_next(gen, nullptr);
	grove_generator_free(gen);
	expect("freeing", "~body ");
}

void *exits(void *arg)
{
	Tells body{"body"};

	grove_gen_yield(arg);
	pthread_exit(arg);
}

void *consumes(void *arg)
{
	Tells consumer{"consumer"};

	while (grove_gen_next(static_cast<grove_generator *>(arg), nullptr) == 1)
		said += "value ";
	return nullptr;
}

void pthread_exit_passes_through()
{
	char value;
	grove_generator *gen = grove_generator_new(exits, &value);
	pthread_t thread;
	void *result = nullptr;

	pthread_create(&thread, nullptr, consumes, gen);
	pthread_join(thread, &result);
	if (result != &value)
		said += "another result";
	expect("pthread_exit", "value ~body ~consumer ");
	grove_generator_free(gen);
}

int enter(grove_context *)
{
	said += "+";
	return 0;
}

int leave(grove_context *, int err)
{
	said += err ? "-error " : "-well ";
	return 0;
}

void contexts_are_left_by_exceptions()
{
	grove_context c = GROVE_CONTEXT(enter, leave, nullptr);

	GROVE_WITH(&c)
		said += "in";
	try {
		GROVE_WITH(&c)
			throw 1;
	} catch (int) {
		said += "caught";
	}
	expect("contexts", "+in-well +-error caught");
}

}

int main()
{
	if (grove_patch() < 0)
		return 1;
	an_exception_comes_out_in_the_consumer();
	catch_blocks_are_each_sides_own();
	freeing_unwinds_the_body();
	pthread_exit_passes_through();
	contexts_are_left_by_exceptions();
	return failures != 0;
}
