// A log in memory for the tests of room carve: records one behind the other, and places to put them.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "libstore/format/commit_log_record.h"
#include "libstore/testing/memory_file_system.h"

namespace rmq::carve {

using Bytes = std::vector<std::byte>;

inline constexpr std::int64_t kBeginning = 1'700'000'000'000;  // store time of the first record

inline Bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFF);
  return bytes;
}

inline void append(Bytes& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// Writes records of one log; their queue offsets and store times go on.
struct LogWriter {
  std::int64_t log_offset = 0;
  std::int64_t time = kBeginning;
  std::int32_t port = 10911;
  std::int64_t queue_offset = 0;
  std::string topic = "Orders";

  Bytes record(std::span<const std::byte> body, bool property_crc = false) {
    format::MessageRecord one;
    one.topic = topic;
    one.queue_id = 1;
    one.queue_offset = queue_offset++;
    one.physical_offset = log_offset;
    one.born_timestamp = one.store_timestamp = time++;
    one.store_address = {std::byte{10}, std::byte{0}, std::byte{0}, std::byte{1}};
    one.store_port = port;
    one.properties = "TAGS\1paid\2UNIQ_KEY\1u" + std::to_string(queue_offset) + "\2";
    one.body.assign(body.begin(), body.end());
    one.append_property_crc = property_crc;
    Bytes bytes = *format::encode(one);
    log_offset += std::ssize(bytes);
    return bytes;
  }
  Bytes record(std::size_t body_size) {
    return record(noise(body_size, static_cast<std::uint64_t>(log_offset) + 1));
  }
  Bytes records(int count, std::size_t body_size) {
    Bytes all;
    for (int i = 0; i < count; ++i) append(all, record(body_size));
    return all;
  }
};

}  // namespace rmq::carve
