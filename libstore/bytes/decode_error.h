// The answer of every parser of untrusted bytes: a value, or what is wrong and where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include <boost/system/result.hpp>

namespace rmq {

enum class DecodeFault : std::uint8_t {
  truncated,   // the bytes end before the structure does
  bad_magic,   // a magic number or marker is not one of the known ones
  bad_length,  // a length or count is negative, too large, or the parts do not add up
  bad_crc,     // a checksum does not match
  bad_field,   // a value that no writer produces
};

struct DecodeError {
  DecodeFault fault = DecodeFault::truncated;
  std::size_t at = 0;  // byte position, relative to the start of what was parsed
};

[[nodiscard]] constexpr std::string_view to_string(DecodeFault fault) {
  switch (fault) {
    case DecodeFault::truncated: return "truncated";
    case DecodeFault::bad_magic: return "bad magic";
    case DecodeFault::bad_length: return "bad length";
    case DecodeFault::bad_crc: return "bad crc";
    case DecodeFault::bad_field: return "bad field";
  }
  return "?";
}

// Taking the value out of a failed Decoded is a bug in our code.
[[noreturn]] inline void throw_exception_from_error(const DecodeError& error,
                                                    const boost::source_location&) {
  throw std::logic_error(std::string(to_string(error.fault)));
}

template <class T>
using Decoded = boost::system::result<T, DecodeError>;

}  // namespace rmq
