#include "servers/namesrv/kv_config.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::namesrv {
namespace {

constexpr const char* kPath = "/users/u/namesrv/kvConfig.json";

class KvConfigTest : public ::testing::Test {
 protected:
  std::string content(const std::string& path) {
    const auto bytes = io::read_all(files, path, 1 << 20);
    return bytes ? std::string(as_text(*bytes)) : std::string("(none)");
  }
  void put_file(const std::string& path, std::string_view text) {
    files.put(path, std::as_bytes(std::span(text)));
  }

  rmq::testing::SimulatedFileSystem files{1};
  KvConfig kv{files, kPath};
  std::string warning;
};

TEST_F(KvConfigTest, IsKeptAsJavaWritesIt) {
  ASSERT_TRUE(kv.load(warning));
  ASSERT_TRUE(kv.put("NS", "k", "v"));
  EXPECT_EQ(content(kPath), R"({"configTable":{"NS":{"k":"v"}}})");
  ASSERT_TRUE(kv.put("NT", "k", "\xC3\xBC\n/"));
  EXPECT_EQ(content(kPath), "{\"configTable\":{\"NS\":{\"k\":\"v\"},\"NT\":{\"k\":\"\xC3\xBC\\n/\"}}}");
  EXPECT_EQ(content(std::string(kPath) + ".bak"), R"({"configTable":{"NS":{"k":"v"}}})");
  ASSERT_TRUE(kv.remove("NT", "k"));
  EXPECT_EQ(content(kPath), R"({"configTable":{"NS":{"k":"v"},"NT":{}}})");
}

TEST_F(KvConfigTest, SurvivesARestart) {
  ASSERT_TRUE(kv.put("NS", "a", "1"));
  ASSERT_TRUE(kv.put("NS", "b", "2"));
  KvConfig again(files, kPath);
  ASSERT_TRUE(again.load(warning));
  EXPECT_EQ(warning, "");
  EXPECT_EQ(again.get("NS", "b"), "2");
  EXPECT_EQ(again.list("NS"), R"({"table":{"a":"1","b":"2"}})");
  EXPECT_EQ(again.get("NS", "c"), std::nullopt);
  EXPECT_EQ(again.list("NT"), std::nullopt);
}

TEST_F(KvConfigTest, ADamagedFileIsReplacedByItsBackup) {
  put_file(kPath, R"({"configTable":{"NS")");
  put_file(std::string(kPath) + ".bak", R"({"configTable":{"NS":{"k":"old"}}})");
  ASSERT_TRUE(kv.load(warning));
  EXPECT_EQ(kv.get("NS", "k"), "old");
  EXPECT_NE(warning, "");
}

TEST_F(KvConfigTest, ADamagedFileWithoutBackupIsAnError) {
  put_file(kPath, "no JSON");
  EXPECT_FALSE(kv.load(warning));
}

TEST_F(KvConfigTest, NoValueForgetsTheKeyAndKeepsTheNamespace) {
  ASSERT_TRUE(kv.put("NS", "k", "v"));
  ASSERT_TRUE(kv.put("NS", "k", std::nullopt));
  EXPECT_EQ(kv.get("NS", "k"), std::nullopt);
  EXPECT_EQ(kv.list("NS"), R"({"table":{}})");
}

TEST_F(KvConfigTest, IsLimited) {
  const std::string large(KvConfig::kMostBytes / 2, 'x');
  ASSERT_TRUE(kv.put("NS", "a", large));
  const Status second = kv.put("NS", "b", large);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::wrong_use);
  ASSERT_TRUE(kv.put("NS", "a", large)) << "what is replaced makes room";
  ASSERT_TRUE(kv.remove("NS", "a"));
  ASSERT_TRUE(kv.put("NS", "b", large));
}

TEST_F(KvConfigTest, AFullDiskIsAnErrorAndTheValueIsInForce) {
  ASSERT_TRUE(kv.put("NS", "a", "1"));
  files.fail_call(1, ENOSPC);
  EXPECT_FALSE(kv.put("NS", "a", "2"));
  EXPECT_EQ(kv.get("NS", "a"), "2");
}

}  // namespace
}  // namespace rmq::namesrv
