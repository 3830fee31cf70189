// S3.
import type { Difference } from '../call.ts'

export const BUCKETS_DIFFERENCES: readonly Difference[] = [
  {
    what: 's3: a bucket that is somebody else’s',
    standIn: 'refused: access-denied',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: ExpectedBucketOwner of another account is 403 Access Denied; the emulators do not look at it.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html',
  },
  {
    what: 's3: put if it is not that one',
    standIn: 'refused: NotImplemented (501)',
    ministack: '{}',
    moto: '{}',
    why: 'S3 takes If-None-Match with * only, and refuses an ETag; the emulators pass over it and write.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html',
  },
  {
    what: 's3: get of a marker, by its version',
    standIn: 'refused: MethodNotAllowed (405)',
    moto: 'refused: NoSuchVersion (404)',
    why: 'AWS: 405 Method Not Allowed when the version that is named is a delete marker. moto does not find it.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html',
  },
  {
    what: 's3: delete of many, one of them not there',
    standIn: '{"keys":[["a/1",true],["a/2",true],["never",true]],"errors":0}',
    moto: '{"keys":[["a/1",true],["a/2",true],["never",false]],"errors":0}',
    why: 'AWS puts a marker where nothing is, too, in a bucket with versions (its SDK’s team: “expected and documented”). moto does not.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html',
  },
  {
    what: 'bucket: encryption of a new one',
    standIn: '["AES256"]',
    moto: 'refused: ServerSideEncryptionConfigurationNotFoundError (404)',
    why: 'S3 encrypts every new bucket with its own keys since 2023; moto’s has no encryption.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html',
  },
  {
    what: 'bucket: public access to a new one',
    standIn: '[true,true,true,true]',
    ministack: 'refused: NoSuchPublicAccessBlockConfiguration (404)',
    moto: 'refused: NoSuchPublicAccessBlockConfiguration (404)',
    why: 'S3 blocks all public access to new buckets since April 2023; the emulators’ have no such setting.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html',
  },
  {
    what: 'bucket: who owns what is put into a new one',
    standIn: '["BucketOwnerEnforced"]',
    moto: 'refused: OwnershipControlsNotFoundError (404)',
    why: 'New buckets have BucketOwnerEnforced since April 2023; moto’s have no such setting.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html',
  },
  {
    what: 'bucket: delete of more than go at a time',
    standIn: 'refused: MalformedXML (400)',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: “a list of up to 1,000 keys”; the emulators take any number.',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html',
  },
]
