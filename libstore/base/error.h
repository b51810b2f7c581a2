// What went wrong in the world around us: I/O, missing files, wrong arguments, cancellation.
// Damage found in a store is not an Error, it is data (a Finding); malformed bytes are a DecodeError.
#pragma once

#include <cstring>
#include <string>
#include <utility>

#include <boost/system/result.hpp>

namespace rmq {

// A code exists only where a caller acts differently on it; everything else is text in `context`.
enum class ErrorCode {
  io_error,           // the operating system refused or failed; see os_errno
  not_found,          // no such file or directory
  permission_denied,  // EACCES, EPERM
  wrong_use,          // an argument, option or path that makes no sense
  cancelled,          // the caller asked to stop
};

struct Error {
  ErrorCode code = ErrorCode::io_error;
  int os_errno = 0;  // 0 when no system call was involved
  std::string context;

  [[nodiscard]] std::string message() const {
    return os_errno == 0 ? context : context + ": " + std::strerror(os_errno);
  }
};

[[nodiscard]] inline Error os_error(int os_errno, std::string context) {
  const ErrorCode code = os_errno == ENOENT || os_errno == ENOTDIR ? ErrorCode::not_found
                         : os_errno == EACCES || os_errno == EPERM ? ErrorCode::permission_denied
                                                                   : ErrorCode::io_error;
  return Error{code, os_errno, std::move(context)};
}

[[nodiscard]] inline Error wrong_use(std::string context) {
  return Error{ErrorCode::wrong_use, 0, std::move(context)};
}

// Taking the value out of a failed Result is a bug in our code, never a reaction to input.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::logic_error("value() of a failed Result: " + error.message());
}

template <class T>
using Result = boost::system::result<T, Error>;

}  // namespace rmq

// Evaluates `expression` (a Result); returns its error from the enclosing function, else binds the value.
#define RMQ_TRY(name, expression)                                   \
  auto name##_result = (expression);                                \
  if (!name##_result) return std::move(name##_result).error();      \
  auto& name = *name##_result
