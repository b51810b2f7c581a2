// What the tests of every stem do with real bytes: read them, cut them at every place, flip every bit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "tests/paths/paths.h"

namespace rmq::format {

using Bytes = std::vector<std::byte>;

// Bytes that RocketMQ wrote; golden/SOURCES.txt says where they were cut from.
inline Bytes golden(const std::string& name) {
  std::ifstream in(tests::source_directory() + "/tests/format/golden/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  Bytes bytes(text.size());
  std::transform(text.begin(), text.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

// Calls check(bit) with one bit of `bytes` inverted, for every bit. The bytes are what they were afterwards.
template <class Check>
void for_each_bit_flip(Bytes& bytes, Check&& check) {
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const std::byte mask = std::byte{1} << (bit % 8);
    bytes[bit / 8] ^= mask;
    check(bit);
    bytes[bit / 8] ^= mask;
  }
}

// Calls check(part) with every proper prefix, each in memory of its own size, so that a sanitizer sees a read
// past it.
template <class Check>
void for_each_truncation(std::span<const std::byte> bytes, Check&& check) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Bytes part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    check(std::span<const std::byte>(part));
  }
}

}  // namespace rmq::format
