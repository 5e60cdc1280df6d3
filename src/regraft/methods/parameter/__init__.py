"""parameter"""
