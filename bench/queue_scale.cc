// queue_scale DIRECTORY [QUEUES] [MESSAGES]: what very many queues cost a store, in DIRECTORY (which must not
// be there, and is left for a look). Messages of 1 KiB, put one by one by one thread,
// flushDiskType=ASYNC_FLUSH: to 4 queues in turn, then a first one to each of QUEUES (default 50,000), then
// MESSAGES (default 1,000,000) to all of them in turn, then to the 4 again; each time up to the end of the
// flush. Opens the store again at the end. Prints one JSON object a line.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"

namespace {

using rmq::bench::Clock;
using rmq::bench::rss_anon_kib;
using rmq::bench::seconds_since;

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

std::size_t count_maps() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

class Bench {
 public:
  Bench(const std::string& directory, std::size_t queues) {
    for (std::size_t topic = 0; topic * 8 < queues; ++topic)
      topics_.push_back(fmt::format("topic-{}", topic));
    options_.config.root = directory;
  }
  void open(const char* what) {
    const auto start = Clock::now();
    auto store = rmq::engine::MessageStore::open(rmq::io::posix_file_system(), options_);
    if (!store) fail(store.error().message());
    store_ = std::move(*store);
    fmt::print("{{\"what\":\"{}\",\"seconds\":{:.2f},\"rssAnonMiB\":{}}}\n", what, seconds_since(start),
               rss_anon_kib() >> 10);
  }
  void put(const char* what, std::size_t queues, std::size_t messages) {
    const std::array<std::byte, 4> address{};
    const std::string body(1024, 'b');
    rmq::format::MessageView message;
    message.body = rmq::as_bytes(body);
    message.born_host = message.store_host = {address, 10911};
    const auto start = Clock::now();
    for (std::size_t i = 0; i < messages; ++i) {
      const std::size_t queue = i % queues;
      message.topic = topics_[queue / 8];
      message.queue_id = static_cast<std::int32_t>(queue % 8);
      if (!store_->put(message).ok()) fail("a put was refused: " + store_->why_not_writable());
    }
    const double putting = seconds_since(start);
    if (const auto flushed = store_->flush(); !flushed) fail(flushed.error().message());
    fmt::print(
        "{{\"what\":\"{}\",\"queues\":{},\"messages\":{},\"putSeconds\":{:.2f},\"putsPerSecond\":{:.0f},"
        "\"secondsUntilFlushed\":{:.2f},\"rssAnonMiB\":{},\"maps\":{}}}\n",
        what, queues, messages, putting, static_cast<double>(messages) / putting, seconds_since(start),
        rss_anon_kib() >> 10, count_maps());
    std::fflush(stdout);
  }
  void close() {
    if (const auto closed = store_->close(); !closed) fail(closed.error().message());
    store_.reset();
  }

 private:
  std::vector<std::string> topics_;
  rmq::engine::StoreOptions options_;
  std::unique_ptr<rmq::engine::MessageStore> store_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) fail("queue_scale DIRECTORY [QUEUES] [MESSAGES]");
  const std::size_t queues = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 50'000;
  const std::size_t messages = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1'000'000;
  Bench bench(argv[1], queues);
  bench.open("open a new store");
  bench.put("few", 4, messages);
  bench.put("a first message to each", queues, queues);
  bench.put("many", queues, messages);
  bench.put("few beside many", 4, messages);
  bench.close();
  bench.open("open again");
  bench.close();
}
