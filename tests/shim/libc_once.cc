// libc_once.cc - C++: variables whose first use waits, objects whose destructors wait at the end of a thread and of the process
#include "inside.h"
#include <mutex>
#include <stdexcept>

static int gate_[2];

static void hold()
{
	char c;

	MUST(read(gate_[0], &c, 1));
}

static void let_go()
{
	MUST(write(gate_[1], "g", 1));
}

static int made, arrived, waiting, tries;

struct slow_to_make {
	int value;

	slow_to_make() : value(5)
	{
		hold();
		made++;
	}
};

static slow_to_make &single()
{
	static slow_to_make s;

	return s;
}

static long use() { return single().value; }

static void *uses(void *arg)
{
	t_here(&waiting);
	long v = single().value;
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	return (void *)(v + (arg != nullptr));
}

static pthread_t others[3];

static void others_wait()
{
	for (auto &t : others) {
		waiting = 0;
		t = start(uses, nullptr);
		wait_parked(&waiting);
	}
	say("others wait for the first: %d", t_get(&arrived) == 0);
	let_go();
}

// the first one throws: the next one makes it
struct fails_first {
	fails_first()
	{
		hold();
		if (tries++ == 0)
			throw std::runtime_error("first");
	}
};

static long use_failing()
{
	try {
		static fails_first f;
		return tries;
	} catch (const std::exception &) {
		return -tries;
	}
}

static std::once_flag flag;

static void *calls_once(void *arg)
{
	try {
		std::call_once(flag, [] {
			hold();
			if (tries++ == 0)
				throw 1;
		});
	} catch (int) {
		return (void *)(intptr_t)1;
	}
	return arg;
}

static long do_once() { return (intptr_t)join(start(calls_once, nullptr)); }

struct slow_to_end {
	int touched = 0;

	~slow_to_end()
	{
		hold();
		say("destructor of %d", touched);
	}
};

static thread_local slow_to_end local;

static void *with_local(void *arg)
{
	local.touched = 7;
	return arg;
}

static long do_thread() { return join(start(with_local, nullptr)) == nullptr; }

static slow_to_end global;
static int phase;

static void *opens_at_exit(void *arg)
{
	t_until(&phase, 1);
	msleep(5);
	say("the process ends, and a thread goes on");
	let_go();
	return arg;
}

static void ends()
{
	t_set(&phase, 1);
}

int main()
{
	t_begin();
	must_pipe(gate_);
	say("static local: %ld", inside("constructor", use, others_wait));
	for (auto &t : others)
		say("and for another %ld", (long)join(t));
	say("made %d time", made);
	say("throws: %ld", inside("throwing constructor", use_failing, let_go));
	say("again: %ld", inside("and again", use_failing, let_go));
	tries = 0;
	say("call_once throws: %ld", inside("call_once", do_once, let_go));
	say("again: %ld", inside("call_once again", do_once, let_go));
	say("thread_local: %ld", inside("destructor", do_thread, let_go));
	global.touched = 9;
	atexit(ends);
	start(opens_at_exit, nullptr);
	return 0;
}
