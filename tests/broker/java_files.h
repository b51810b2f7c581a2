// State files that a stock broker 5.3.3 wrote (broker-a of DefaultCluster, store broker-config of testdata).
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/io/file_system.h"
#include "servers/broker/broker_config.h"
#include "tests/paths/paths.h"

namespace rmq::broker {

inline const std::string kConfigDirectory = "/store/config";

inline std::string java_file(const std::string& name) {
  const auto bytes = io::read_all(io::posix_read_file_system(),
                                  tests::source_directory() + "/tests/broker/data/" + name, 1 << 20);
  EXPECT_TRUE(bytes) << name;
  return bytes ? std::string(as_text(*bytes)) : std::string();
}

inline void put_file(io::FileSystem& files, const std::string& name, const std::string& text) {
  ASSERT_TRUE(files.make_directories(kConfigDirectory));
  ASSERT_TRUE(files.replace(kConfigDirectory + '/' + name, as_bytes(text)));
}
inline std::string get_file(const io::FileSystem& files, const std::string& name) {
  const auto bytes = io::read_all(files, kConfigDirectory + '/' + name, 1 << 20);
  return bytes ? std::string(as_text(*bytes)) : "(none)";
}

inline Surroundings test_surroundings() {
  return {.home = "/opt/rocketmq",
          .namesrv = "",
          .user_home = "/mq",
          .host_name = "broker-a",
          .address = "10.0.0.7",
          .cores = 2};
}

}  // namespace rmq::broker
