/*
 * cxx.cc - C++ threads: std::thread, condition variables, exceptions thrown and caught in many threads, thread_local objects,
 * futures, call_once, shared locks, timed waits, thread ids
 *
 * Prints only what does not depend on the order in which threads run.
 */
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <mutex>
#include <numeric>
#include <set>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static void in_threads(int n, const std::function<void(int)> &body)
{
	std::vector<std::thread> threads;

	for (int i = 0; i < n; i++)
		threads.emplace_back(body, i);
	for (auto &t : threads)
		t.join();
}

template <typename T> class Channel {
	std::mutex lock;
	std::condition_variable not_empty, not_full;
	std::deque<T> items;
	size_t limit;

public:
	explicit Channel(size_t limit) : limit(limit) {}

	void put(T item)
	{
		std::unique_lock held(lock);
		not_full.wait(held, [this] { return items.size() < limit; });
		items.push_back(std::move(item));
		not_empty.notify_one();
	}

	T get()
	{
		std::unique_lock held(lock);
		not_empty.wait(held, [this] { return !items.empty(); });
		T item = std::move(items.front());
		items.pop_front();
		not_full.notify_one();
		return item;
	}
};

static void channels()
{
	Channel<int> channel(3);
	std::atomic<long> sum = 0;

	in_threads(40, [&](int i) {
		for (int n = 0; n < 500; n++) {
			if (i % 2)
				channel.put(n);
			else
				sum += channel.get();
		}
	});
	std::cout << "channel " << sum << "\n";
}

struct Counted {
	static inline std::atomic<int> made = 0, gone = 0;
	std::string text;

	Counted() : text("nobody") { made++; }
	~Counted() { gone++; }
};
static thread_local Counted mine;
static thread_local int plain = 42;

static void thread_locals()
{
	std::atomic<int> right = 0;
	std::mutex lock;
	std::set<const void *> addresses;
	std::atomic<int> arrived = 0;

	in_threads(100, [&](int i) {
		mine.text = "thread " + std::to_string(i) + " with a text too long for the object itself";
		plain += i;
		arrived++;
		while (arrived < 100)		/* so that all of them exist at once */
			std::this_thread::sleep_for(1ms);
		right += mine.text.rfind("thread " + std::to_string(i) + " ", 0) == 0 && plain == 42 + i;
		std::lock_guard held(lock);
		addresses.insert(&plain);
	});
	std::cout << "thread_local " << right << " of " << addresses.size() << ", made " << Counted::made << ", gone " << Counted::gone
		  << ", main's " << plain << "\n";
}

struct Unwound {
	std::atomic<int> &count;
	~Unwound() { count++; }
};

static int deep(int depth, std::atomic<int> &unwound)
{
	Unwound here{unwound};

	if (depth == 0) {
		std::this_thread::sleep_for(1ms);	/* others throw meanwhile */
		throw std::runtime_error("from the bottom");
	}
	return deep(depth - 1, unwound) + 1;
}

static void exceptions()
{
	std::atomic<int> caught = 0, unwound = 0, nested = 0;

	in_threads(50, [&](int) {
		for (int n = 0; n < 10; n++) {
			try {
				deep(20, unwound);
			} catch (const std::runtime_error &first) {
				try {
					std::this_thread::yield();
					deep(5, unwound);
				} catch (const std::exception &second) {
					nested += std::string(second.what()) == first.what();
				}
				caught++;
			}
		}
	});
	std::cout << "exceptions " << caught << ", unwound " << unwound << ", nested " << nested << ", left "
		  << std::uncaught_exceptions() << "\n";
}

static void futures()
{
	std::vector<std::future<int>> answers;
	int sum = 0, failed = 0;

	for (int i = 0; i < 50; i++) {
		answers.push_back(std::async(std::launch::async, [i] {
			std::this_thread::sleep_for(std::chrono::microseconds(i * 37 % 500));
			if (i % 10 == 0)
				throw std::out_of_range("tenth");
			return i;
		}));
	}
	for (auto &answer : answers) {
		try {
			sum += answer.get();
		} catch (const std::out_of_range &) {
			failed++;
		}
	}
	std::promise<std::string> promise;
	auto future = promise.get_future();
	bool early = future.wait_for(5ms) == std::future_status::ready;
	std::thread teller([&] { promise.set_value("told"); });
	std::cout << "futures " << sum << ", failed " << failed << ", early " << early << ", " << future.get() << "\n";
	teller.join();
}

static void locks()
{
	std::shared_timed_mutex shared;
	std::recursive_mutex recursive;
	std::timed_mutex timed;
	std::once_flag once;
	int value = 0, made = 0;
	std::atomic<int> reads = 0, odd = 0;

	in_threads(40, [&](int i) {
		std::call_once(once, [&] { std::this_thread::sleep_for(5ms); made++; });
		for (int n = 0; n < 100; n++) {
			if (i % 4 == 0) {
				std::unique_lock held(shared);
				value++;
				if (n % 10 == 0)
					std::this_thread::yield();
				value++;
			} else {
				std::shared_lock held(shared);
				odd += value % 2;
				reads++;
			}
			std::lock_guard outer(recursive);
			std::lock_guard inner(recursive);
		}
	});
	std::lock_guard held(timed);
	bool taken = false;
	std::thread([&] { taken = timed.try_lock_for(5ms); }).join();
	std::cout << "locks " << value << ", reads " << reads << ", odd " << odd << ", once " << made << ", taken " << taken << "\n";
}

static void ids()
{
	std::set<std::thread::id> seen;
	std::mutex lock;
	std::condition_variable all;

	in_threads(100, [&](int) {
		std::unique_lock held(lock);
		seen.insert(std::this_thread::get_id());
		all.notify_all();
		all.wait(held, [&] { return seen.size() == 100; });
	});
	std::cout << "ids " << seen.size() << ", main's among them " << seen.count(std::this_thread::get_id()) << "\n";
	auto begin = std::chrono::steady_clock::now();
	std::this_thread::sleep_for(20ms);
	std::cout << "slept " << (std::chrono::steady_clock::now() - begin >= 20ms) << "\n";
}

int main()
{
	channels();
	thread_locals();
	exceptions();
	futures();
	locks();
	ids();
}
