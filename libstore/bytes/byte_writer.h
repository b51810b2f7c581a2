// Appends big-endian fields to a growing buffer: the writing twin of ByteReader.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libstore/bytes/big_endian.h"

namespace rmq {

class ByteWriter {
 public:
  void i8(std::int8_t value) { put(value); }
  void i16(std::int16_t value) { put(value); }
  void i32(std::int32_t value) { put(value); }
  void i64(std::int64_t value) { put(value); }
  void bytes(std::span<const std::byte> value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void text(std::string_view value) { bytes(as_bytes(value)); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] std::span<std::byte> written() { return out_; }
  [[nodiscard]] std::vector<std::byte> take() && { return std::move(out_); }

 private:
  template <std::integral T>
  void put(T value) {
    out_.resize(out_.size() + sizeof(T));
    store_be(out_.data() + out_.size() - sizeof(T), value);
  }

  std::vector<std::byte> out_;
};

}  // namespace rmq
