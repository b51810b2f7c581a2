// Where a test's store lies in the real file system; removed with the test.
#pragma once

#include <string>

#include "tests/io/temporary_directory.h"

namespace rmq::engine {

class Directory {
 public:
  [[nodiscard]] std::string store() const { return files_.path() + "/store"; }

 private:
  io::TemporaryDirectory files_;
};

}  // namespace rmq::engine
