// The only cursor over untrusted bytes. A read past the end returns zero (or an empty span) and fails the
// reader for good; finish() is the only way to take a value out, so a short read is never mistaken for data.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"

namespace rmq {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::int8_t i8() { return take<std::int8_t>(); }
  std::int16_t i16() { return take<std::int16_t>(); }
  std::int32_t i32() { return take<std::int32_t>(); }
  std::int64_t i64() { return take<std::int64_t>(); }

  // Lives as long as the bytes given to the constructor. `count` comes from the data: it is checked here.
  std::span<const std::byte> bytes(std::int64_t count) {
    if (failed_ || count < 0 || static_cast<std::uint64_t>(count) > remaining()) {
      fail(count < 0 ? DecodeFault::bad_length : DecodeFault::truncated);
      return {};
    }
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return taken;
  }
  std::string_view text(std::int64_t count) { return as_text(bytes(count)); }

  void fail(DecodeFault fault) {
    if (!failed_) error_ = DecodeError{fault, at_};
    failed_ = true;
  }

  [[nodiscard]] bool ok() const { return !failed_; }
  [[nodiscard]] DecodeError error() const { return error_; }  // only when !ok()
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - at_; }

  template <class T>
  [[nodiscard]] Decoded<T> finish(T value) const {
    if (failed_) return error_;
    return value;
  }

 private:
  template <std::integral T>
  T take() {
    if (failed_ || sizeof(T) > remaining()) {
      fail(DecodeFault::truncated);
      return 0;
    }
    const T value = load_be<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return value;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
  DecodeError error_;
};

}  // namespace rmq
