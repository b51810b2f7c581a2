// make_store ROOT BODY_BYTES TOTAL_BYTES [QUEUES] [crashed]: a store to measure on: V1 messages with a TAGS and a
// UNIQ_KEY property, default file sizes, queues and index complete. `crashed` leaves an abort file and no checkpoint,
// so that a stock broker recovers from the first file.
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "libstore/bytes/big_endian.h"
#include "libstore/testing/store_builder.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: make_store ROOT BODY_BYTES TOTAL_BYTES [QUEUES] [crashed]\n");
    return 16;
  }
  rmq::testing::StoreBuilderOptions options;
  options.root = argv[1];
  const std::size_t body = std::strtoul(argv[2], nullptr, 10);
  const std::int64_t total = std::strtoll(argv[3], nullptr, 10);
  const int queues = argc > 4 ? std::atoi(argv[4]) : 8;
  const bool crashed = argc > 5 && std::strcmp(argv[5], "crashed") == 0;
  rmq::testing::StoreBuilder store(options);
  rmq::format::MessageRecord record;
  record.topic = "BenchTopic";
  record.body.resize(body);
  std::mt19937_64 random(1);
  for (std::byte& b : record.body) b = static_cast<std::byte>(random());
  record.store_timestamp = 1'767'225'600'000;
  for (std::int64_t i = 0; store.end() < total; ++i) {
    record.queue_id = static_cast<std::int32_t>(i % queues);
    record.store_timestamp += i % 64 == 0 ? 1 : 0;
    record.born_timestamp = record.store_timestamp - 1;
    if (body >= sizeof(i)) rmq::store_be(record.body.data(), i);
    record.properties = fmt::format("UNIQ_KEY\x01{:032X}\x02TAGS\x01TagA\x02", i);
    store.put(record);
  }
  store.close(crashed);
  if (crashed) std::filesystem::remove(options.root + "/checkpoint");
  fmt::print("{{\"root\":\"{}\",\"messages\":{},\"logBytes\":{}}}\n", options.root, store.messages(), store.end());
}
